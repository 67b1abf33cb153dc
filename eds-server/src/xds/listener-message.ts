/** The one fact that the server needs of an encoded `Listener`: whether it is for gRPC clients, or for Envoy. */
import { MalformedMessage, WireReader } from './wire-reader.ts'

const API_LISTENER = 19

/** Also for bytes that are no listener: clients refuse those. */
export function isApiListener(message: Uint8Array): boolean {
  try {
    const listener = new WireReader(message)
    while (listener.next()) {
      if (listener.field === API_LISTENER) return true
      listener.skip()
    }
    return false
  } catch (error) {
    if (error instanceof MalformedMessage) return false
    throw error
  }
}
