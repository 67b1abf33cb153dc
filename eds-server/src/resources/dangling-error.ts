/** Refusals because of references: every one is named, up to a number that still can be read. */
import { RollcallError } from '../errors.ts'
import type { Dangling } from './effective.ts'
import { type Placed, shownAs } from './placed.ts'

const NAMED_MAX = 100

export function danglingError(dangling: readonly Dangling[]): RollcallError {
  const [first] = dangling
  const named = dangling.slice(0, NAMED_MAX).map(sentence)
  const more = dangling.length > NAMED_MAX ? [`and ${dangling.length - NAMED_MAX} more`] : []
  return new RollcallError('ROLLCALL_REFERENCE_DANGLING', [...named, ...more].join('; '), {
    ...(first && { field: first.reference.path, value: first.reference.name }),
  })
}

/** The file took away, or failed to bring, what others refer to. */
export function removalError(file: string, dangling: readonly Dangling[]): RollcallError {
  const { message, field, value } = danglingError(dangling)
  return new RollcallError('ROLLCALL_RESOURCE_IN_USE', `${file}: would leave without a target: ${message}`, {
    ...(field !== undefined && { field }),
    value,
  })
}

function sentence({ owner, reference: { path, type, name } }: Dangling): string {
  const kind = type.typeUrl.slice(type.typeUrl.lastIndexOf('.') + 1)
  return `${owner.source}: ${shownAs(owner)}: ${path}: ${JSON.stringify(name)} is no ${kind} that is there`
}

export function inUseError(placed: Placed, dangling: readonly Dangling[]): RollcallError {
  const users = [
    ...new Set(
      dangling.slice(0, NAMED_MAX).map(({ owner, reference }) => `${shownAs(owner)} at ${reference.path}`),
    ),
  ]
  const message = `${shownAs(placed)} is used by ${users.join('; ')}`
  return new RollcallError('ROLLCALL_RESOURCE_IN_USE', message, {
    field: 'name',
    value: placed.resource.name,
  })
}
