/**
 * The resources of all origins, and from them one consistent snapshot for each group of clients. A change counts as
 * a whole or not at all: one that would leave a reference without its target is refused, and the last snapshot
 * stays. Whoever listens hears only of what changed.
 */
import { RollcallError } from '../errors.ts'
import type { Snapshot } from '../xds/snapshot.ts'
import { danglingError, inUseError } from './dangling-error.ts'
import { RESOURCES_MAX } from './document.ts'
import {
  COMMON,
  type Dangling,
  danglingIn,
  type Effective,
  effectiveOf,
  type Tables,
  tableOf,
} from './effective.ts'
import { keyOf, keyOfPlaced, type Located, type Origin, type Placed } from './placed.ts'
import { snapshotOf } from './snapshots.ts'

/** Undefined: the group has nothing of its own any more, its clients have what is common. */
export type SnapshotListener = (group: string, snapshot: Snapshot | undefined) => void

export class ResourceStore {
  #tables: Tables = { api: new Map(), files: new Map(), policy: new Map() }
  #effective: Effective = new Map()
  readonly #snapshots = new Map<string, Snapshot>()
  readonly #listeners: SnapshotListener[] = []
  /** API resources of an earlier life that wait for what they refer to. */
  #held: ReadonlyMap<string, Dangling> = new Map()
  #isOpen = false
  readonly #committed: () => void

  /** `committed`: called after each change that counts. */
  constructor(committed: () => void = () => undefined) {
    this.#committed = committed
  }

  /** Everything that there is, before the first snapshot. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Called with each snapshot that there is, and with each that changes. */
  on(listener: SnapshotListener): void {
    this.#listeners.push(listener)
    for (const [group, snapshot] of this.#snapshots) listener(group, snapshot)
  }

  /**
   * Makes the first snapshots. API resources that refer to what is not there (a file that changed while the server
   * was down) are held back until it is.
   */
  open(): void {
    this.#isOpen = true
    const waiting = new Set(this.#tables.api.keys())
    const { effective, held } = this.#settled(this.#tables, waiting)
    this.#commit(this.#tables, effective, held)
  }

  /** What would dangle if these were all resources of the origin. */
  problemsWith(origin: Origin, placed: readonly Placed[]): readonly Dangling[] {
    return this.#settled(this.#with(origin, tableOf(placed)), this.#waiting()).dangling
  }

  /** Throws ROLLCALL_REFERENCE_DANGLING that names every reference, and ROLLCALL_LIMIT_REACHED. */
  replace(origin: Origin, placed: readonly Placed[]): void {
    this.#change(origin, tableOf(placed), danglingError)
  }

  /** Adds or replaces one API resource. `persist` runs when nothing speaks against it, before anybody sees it. */
  put(placed: Placed, persist: () => void): 'created' | 'replaced' {
    const api = new Map(this.#tables.api)
    const key = keyOfPlaced(placed)
    const created = !api.has(key)
    api.set(key, placed)
    // What is put now is judged now: only resources of an earlier life may wait.
    this.#change('api', api, danglingError, persist, new Set([key]))
    return created ? 'created' : 'replaced'
  }

  /** Removes one API resource. Throws ROLLCALL_RESOURCE_IN_USE that names the users. */
  delete(placed: Placed, persist: () => void): void {
    const api = new Map(this.#tables.api)
    api.delete(keyOfPlaced(placed))
    this.#change('api', api, dangling => inUseError(placed, dangling), persist)
  }

  /** What the clients of the group get under this name. */
  find(group: string, typeUrl: string, name: string): Located | undefined {
    return [group, COMMON]
      .map(each => this.#effective.get(each)?.get(typeUrl)?.get(name))
      .find(located => located !== undefined)
  }

  /** What the API itself has under this name in this very group, be it held back. */
  ownOf(group: string, typeUrl: string, name: string): Placed | undefined {
    return this.#tables.api.get(keyOf(group, typeUrl, name))
  }

  effective(): Effective {
    return this.#effective
  }

  held(): readonly Dangling[] {
    return [...this.#held.values()]
  }

  #change(
    origin: Origin,
    table: ReadonlyMap<string, Placed>,
    refuse: (dangling: readonly Dangling[]) => RollcallError,
    persist?: () => void,
    judged: ReadonlySet<string> = new Set(),
  ): void {
    if (table.size > RESOURCES_MAX) {
      const message = `resources: there would be ${table.size} of origin ${origin}; the limit is ${RESOURCES_MAX}`
      throw new RollcallError('ROLLCALL_LIMIT_REACHED', message, { field: 'resources', value: table.size })
    }
    const tables = this.#with(origin, table)
    const waiting = new Set([...this.#waiting()].filter(key => !judged.has(key)))
    const { effective, held, dangling } = this.#settled(tables, waiting)
    if (this.#isOpen && dangling.length > 0) throw refuse(dangling)
    persist?.()
    if (this.#isOpen) this.#commit(tables, effective, held)
    else this.#tables = tables
  }

  #waiting(): ReadonlySet<string> {
    return new Set(this.#isOpen ? this.#held.keys() : this.#tables.api.keys())
  }

  #with(origin: Origin, table: ReadonlyMap<string, Placed>): Tables {
    return { ...this.#tables, [origin]: table }
  }

  /** Leaves out what may wait and has to, until nothing of that kind dangles. */
  #settled(
    tables: Tables,
    waiting: ReadonlySet<string>,
  ): { effective: Effective; held: Map<string, Dangling>; dangling: readonly Dangling[] } {
    const held = new Map<string, Dangling>()
    for (;;) {
      const effective = effectiveOf(tables, new Set(held.keys()))
      const dangling = danglingIn(effective)
      const found = dangling.filter(({ owner }) => owner.origin === 'api' && waiting.has(keyOfPlaced(owner)))
      if (found.length === 0) return { effective, held, dangling }
      for (const each of found) held.set(keyOfPlaced(each.owner), each)
    }
  }

  #commit(tables: Tables, effective: Effective, held: ReadonlyMap<string, Dangling>): void {
    this.#tables = tables
    this.#effective = effective
    this.#held = held
    for (const group of new Set([...effective.keys(), ...this.#snapshots.keys()])) {
      const before = this.#snapshots.get(group)
      const snapshot = snapshotOf(effective, group, before)
      if (snapshot === before) continue
      if (snapshot) this.#snapshots.set(group, snapshot)
      else this.#snapshots.delete(group)
      for (const listener of this.#listeners) listener(group, snapshot)
    }
    this.#committed()
  }
}
