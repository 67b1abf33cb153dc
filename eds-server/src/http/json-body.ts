/**
 * Bodies: JSON in UTF-8, uncompressed, within the route's limit, without prototype poison. Anything else is
 * refused before a route sees it (F52, F53).
 */
import { isUtf8 } from 'node:buffer'
import { RollcallError } from '../errors.ts'
import type { HttpApp } from './context.ts'

export function acceptJsonBodies(app: HttpApp): void {
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes: Buffer, done) => {
    // Some clients name the type of a body that they do not send; the route says whether it needs one.
    if (bytes.length === 0) return done(null, undefined)
    if (!isUtf8(bytes)) return done(notJson('is not UTF-8'))
    return parseJson(request, bytes.toString(), (error, value) => {
      done(
        error
          ? notJson('is not JSON, or has a key that is refused (__proto__, constructor.prototype)')
          : null,
        value,
      )
    })
  })
}

function notJson(reason: string): RollcallError {
  return new RollcallError('ROLLCALL_INVALID_ARGUMENT', `body: ${reason}`, { field: 'body' })
}

/** A compressed body would pass the limit by a factor of a thousand once it is unpacked (F52). */
export function compressionRefusal(encoding: string): RollcallError {
  return new RollcallError(
    'ROLLCALL_MEDIA_TYPE_UNSUPPORTED',
    'content-encoding: a body must not be compressed',
    { field: 'content-encoding', value: encoding },
  )
}
