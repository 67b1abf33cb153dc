/** A typed emitter whose listeners cannot hurt the heartbeat: what they throw, or reject with, is logged. */
export type Listener<Event> = (event: Event) => unknown

interface Entry {
  call: (event: never) => unknown
  isOnce: boolean
}

export class Emitter<Events> {
  readonly #entries = new Map<keyof Events, Entry[]>()
  readonly #report: (error: unknown) => void

  constructor(report: (error: unknown) => void) {
    this.#report = report
  }

  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    return this.#add(name, listener, false)
  }

  once<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    return this.#add(name, listener, true)
  }

  off<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    this.#entries.set(name, this.#entries.get(name)?.filter(entry => entry.call !== listener) ?? [])
    return this
  }

  protected emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const entry of this.#entries.get(name) ?? []) {
      const call = entry.call as Listener<Events[Name]>
      if (entry.isOnce) this.off(name, call)
      try {
        Promise.resolve(call(event)).catch(this.#report)
      } catch (error) {
        this.#report(error)
      }
    }
  }

  #add<Name extends keyof Events>(name: Name, call: Listener<Events[Name]>, isOnce: boolean): this {
    if (typeof call !== 'function') throw new TypeError(`${String(name)}: the listener is not a function`)
    this.#entries.set(name, [...(this.#entries.get(name) ?? []), { call, isOnce }])
    return this
  }
}
