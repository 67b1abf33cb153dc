/**
 * A ready-made gRPC message: the DiscoveryResponse of one service whose endpoint `endpoints / 2`, the one that the
 * load generator changes, has a weight that can be patched in. About as many bytes as Rollcall and the peer send.
 */
import { bytesField, stringField, uintField } from '../../../eds-server/src/xds/wire.ts'
import { addressOf } from '../address.ts'

const TYPE_URL = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment'
const HEALTHY = 1
/** A weight takes as many bytes whatever it is: a varint may be longer than it needs to be. */
const WEIGHT_BYTES = 4
/** As weight, found again in the encoded message. */
const MARK = Buffer.from([0xff, 0xfe, 0xfd, 0x7c])

export class Assignment {
  readonly #template: Buffer
  readonly #weightAt: number

  constructor(endpoints: number) {
    const message = discoveryResponse(endpoints)
    const prefix = Buffer.alloc(5)
    prefix.writeUInt32BE(message.length, 1)
    this.#template = Buffer.concat([prefix, message])
    this.#weightAt = this.#template.indexOf(MARK)
  }

  /** The message with gRPC's prefix. */
  withWeight(weight: number): Buffer {
    const message = Buffer.from(this.#template)
    for (let i = 0; i < WEIGHT_BYTES; i += 1) {
      const isLast = i === WEIGHT_BYTES - 1
      message[this.#weightAt + i] = ((weight >> (7 * i)) & 127) | (isLast ? 0 : 128)
    }
    return message
  }
}

function discoveryResponse(endpoints: number): Buffer {
  const changed = Math.floor(endpoints / 2)
  const hosts = Array.from({ length: endpoints }, (_, index) => bytesField(2, host(index, index === changed)))
  const locality = Buffer.concat([bytesField(1, Buffer.alloc(0)), ...hosts, uintValue(3, endpoints)])
  const assignment = Buffer.concat([stringField(1, 'bench-0'), bytesField(2, locality)])
  const any = Buffer.concat([stringField(1, TYPE_URL), bytesField(2, assignment)])
  return Buffer.concat([
    stringField(1, '1'),
    bytesField(2, any),
    stringField(4, TYPE_URL),
    stringField(5, '1'),
  ])
}

/** An LbEndpoint at the address of the index. */
function host(index: number, hasWeight: boolean): Buffer {
  const socketAddress = Buffer.concat([stringField(2, addressOf(index)), uintField(3, 8000)])
  const endpoint = bytesField(1, bytesField(1, socketAddress))
  const weight = hasWeight ? bytesField(4, Buffer.concat([Buffer.from([8]), MARK])) : Buffer.alloc(0)
  return Buffer.concat([bytesField(1, endpoint), uintField(2, HEALTHY), weight])
}

/** A field of the wrapper type UInt32Value. */
function uintValue(field: number, value: number): Buffer {
  return bytesField(field, uintField(1, value))
}
