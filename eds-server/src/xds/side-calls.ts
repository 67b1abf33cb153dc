/** The open calls of services that others implement (health, reflection), so that they too end when the server stops. */
import type { Server, UntypedServiceImplementation } from '@grpc/grpc-js'

interface StreamingCall {
  end?(): void
  on?(event: 'cancelled' | 'close', listener: () => void): void
}

export class SideCalls {
  readonly #calls = new Set<StreamingCall>()

  /** A server that adds services to the given one and keeps their calls in sight. */
  tracking(server: Server): Server {
    const addService: Server['addService'] = (service, implementation) => {
      server.addService(service, this.#tracked(implementation))
    }
    return new Proxy(server, {
      get: (target, property) => (property === 'addService' ? addService : Reflect.get(target, property)),
    })
  }

  /** Ends every open call. */
  end(): void {
    for (const call of [...this.#calls]) call.end?.()
  }

  #tracked(implementation: UntypedServiceImplementation): UntypedServiceImplementation {
    const handlers = Object.entries(implementation).map(([name, handler]) => {
      const tracked = (call: StreamingCall, ...rest: unknown[]): void => {
        this.#track(call)
        const run = handler as (...args: unknown[]) => void
        run(call, ...rest)
      }
      return [name, tracked]
    })
    return Object.fromEntries(handlers) as UntypedServiceImplementation
  }

  #track(call: StreamingCall): void {
    if (typeof call.end !== 'function') return
    this.#calls.add(call)
    const forget = (): void => void this.#calls.delete(call)
    call.on?.('cancelled', forget)
    call.on?.('close', forget)
  }
}
