/** A watch without stream or socket: requests go in, the responses that are due come out. */

import { DELTA } from '../../../eds-server/src/xds/delta-stream.ts'
import type {
  DeltaDiscoveryRequest,
  DiscoveryRequest,
} from '../../../eds-server/src/xds/discovery-request.ts'
import type { Response } from '../../../eds-server/src/xds/discovery-response.ts'
import { createResource, type Resource } from '../../../eds-server/src/xds/resource.ts'
import type { ResourceCache } from '../../../eds-server/src/xds/resource-cache.ts'
import type { ResourceType } from '../../../eds-server/src/xds/resource-type.ts'
import { SOTW } from '../../../eds-server/src/xds/sotw-stream.ts'
import { Watch } from '../../../eds-server/src/xds/watch.ts'

const OWNER = {
  nodeId: 'node-1',
  nodeCluster: 'front',
  flush: () => undefined,
  wallTime: () => new Date('2026-01-01T00:00:00Z'),
}
const EMPTY = { node: undefined, typeUrl: '', nonce: '', error: undefined }
export const REFUSED = { code: 3, message: 'no' }

/** A resource whose content is the text. */
export function resource(type: ResourceType, name: string, content: string): Resource {
  return createResource(type, name, Buffer.from(content, 'latin1'))
}

export class SotwBench {
  readonly watch: Watch<DiscoveryRequest>
  #nonce = 0

  constructor(cache: ResourceCache, takesTtl = true) {
    this.watch = new Watch<DiscoveryRequest>(cache, { ...OWNER, takesTtl }, SOTW.subscribe)
  }

  /** Sends the request; returns what it is answered with, if it is. */
  request(request: Partial<DiscoveryRequest>): Response | undefined {
    this.watch.request({ ...EMPTY, version: '', names: [], ...request })
    return this.next()
  }

  next(): Response | undefined {
    const response = this.watch.respond(`n${this.#nonce + 1}`)
    if (response) this.#nonce += 1
    return response
  }

  ack(response: Response, names: readonly string[]): Response | undefined {
    return this.request({ nonce: response.nonce, version: response.version, names })
  }

  nack(response: Response, names: readonly string[]): Response | undefined {
    return this.request({ nonce: response.nonce, names, error: REFUSED })
  }
}

export class DeltaBench {
  readonly watch: Watch<DeltaDiscoveryRequest>
  #nonce = 0

  constructor(cache: ResourceCache, takesTtl = true) {
    this.watch = new Watch<DeltaDiscoveryRequest>(cache, { ...OWNER, takesTtl }, DELTA.subscribe)
  }

  request(request: Partial<DeltaDiscoveryRequest>): Response | undefined {
    this.watch.request({ ...EMPTY, subscribe: [], unsubscribe: [], initialVersions: new Map(), ...request })
    return this.next()
  }

  next(): Response | undefined {
    const response = this.watch.respond(`n${this.#nonce + 1}`)
    if (response) this.#nonce += 1
    return response
  }

  ack(response: Response): Response | undefined {
    return this.request({ nonce: response.nonce })
  }

  nack(response: Response): Response | undefined {
    return this.request({ nonce: response.nonce, error: REFUSED })
  }
}

/** The response's resource names, sorted. */
export function namesIn(response: Response | undefined): string[] | undefined {
  return response?.resources.map(({ name }) => name).sort()
}

/** The response, which must be there. */
export function given(response: Response | undefined): Response {
  if (!response) throw new Error('there is no response')
  return response
}
