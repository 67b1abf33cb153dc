/**
 * The resources of all files. A file that is wrong keeps what it had when it was last right, and the others go on; so
 * does one whose references lead nowhere, and one that takes away what others refer to.
 */
import { RollcallError, shown } from '../errors.ts'
import type { AdmittedResource } from './admission.ts'
import { danglingError, removalError } from './dangling-error.ts'
import { type Dangling, isTarget, tableOf } from './effective.ts'
import { keyOfPlaced, type Placed } from './placed.ts'

/** What became of one file: its resources, or why it has none. */
export type Attempt = readonly AdmittedResource[] | RollcallError

export interface FileVersion {
  readonly group: string
  readonly attempt: Attempt
}

interface FileState {
  readonly group: string
  /** What it stands for at present. */
  readonly inForce: readonly AdmittedResource[]
}

export interface Outcome {
  readonly placed: readonly Placed[]
  /** By file. */
  readonly errors: ReadonlyMap<string, RollcallError>
}

type ProblemsWith = (placed: readonly Placed[]) => readonly Dangling[]

export class FileSet {
  #states: ReadonlyMap<string, FileState> = new Map()
  #next: ReadonlyMap<string, FileState> = new Map()

  /**
   * What the files stand for now, given all that are there, sorted. Nothing counts until `accept`: whoever takes the
   * outcome may refuse it.
   */
  propose(versions: ReadonlyMap<string, FileVersion>, problemsWith: ProblemsWith): Outcome {
    const errors = new Map<string, RollcallError>()
    const proposal = new Map(Array.from(this.#states, ([file, state]) => [file, { ...state, inForce: none }]))
    for (const [file, { group, attempt }] of versions) {
      const isWrong = attempt instanceof RollcallError
      if (isWrong) errors.set(file, attempt)
      proposal.set(file, { group, inForce: isWrong ? this.#before(file) : attempt })
    }
    for (;;) {
      const { placed, duplicates } = this.#unique(proposal)
      const dangling = problemsWith(placed)
      const faults =
        dangling.length === 0 ? new Map<string, RollcallError>() : this.#faults(proposal, dangling)
      for (const [file, error] of faults) {
        errors.set(file, error)
        proposal.set(file, { group: this.#groupOf(file, proposal), inForce: this.#before(file) })
      }
      if (faults.size > 0) continue
      this.#next = new Map(
        [...proposal].filter(([file, { inForce }]) => versions.has(file) || inForce.length > 0),
      )
      return { placed, errors: new Map([...duplicates, ...errors]) }
    }
  }

  /** What was proposed last is in force. */
  accept(): void {
    this.#states = this.#next
  }

  #before(file: string): readonly AdmittedResource[] {
    return this.#states.get(file)?.inForce ?? none
  }

  #groupOf(file: string, proposal: ReadonlyMap<string, FileState>): string {
    return (this.#states.get(file) ?? proposal.get(file))?.group ?? ''
  }

  /** Whoever has a name keeps it; among new ones the first file. */
  #unique(proposal: ReadonlyMap<string, FileState>): {
    placed: Placed[]
    duplicates: Map<string, RollcallError>
  } {
    const all = Array.from(proposal, ([file, { group, inForce }]) => placedOf(file, group, inForce)).flat()
    const holders = new Map<string, string>()
    const isHeldBy = ({ source }: Placed, key: string): boolean =>
      placedOf(source, this.#groupOf(source, proposal), this.#before(source)).some(
        each => keyOfPlaced(each) === key,
      )
    const duplicates = new Map<string, RollcallError>()
    const byKey = new Map<string, Placed[]>()
    for (const placed of all) {
      const key = keyOfPlaced(placed)
      byKey.set(key, [...(byKey.get(key) ?? []), placed])
    }
    for (const [key, several] of byKey) {
      const [first] = several
      if (!first) continue
      const holder = several.length === 1 ? first : (several.find(each => isHeldBy(each, key)) ?? first)
      holders.set(key, holder.source)
      for (const { source, resource } of several) {
        if (source === holder.source) continue
        const message = `${source}: ${resource.kind.plural} ${shown(resource.name)} is in ${holder.source} already, and counts as there`
        const details = { field: 'name', value: resource.name }
        duplicates.set(source, new RollcallError('ROLLCALL_INVALID_ARGUMENT', message, details))
      }
    }
    return { placed: all.filter(each => holders.get(keyOfPlaced(each)) === each.source), duplicates }
  }

  /** The files that have to go back to what they were: first those that refer, then those that took away. */
  #faults(
    proposal: ReadonlyMap<string, FileState>,
    dangling: readonly Dangling[],
  ): Map<string, RollcallError> {
    const changed = [...proposal.keys()].filter(file => proposal.get(file)?.inForce !== this.#before(file))
    const faulty = (
      isFault: (file: string, each: Dangling) => boolean,
      errorOf: (file: string, own: readonly Dangling[]) => RollcallError,
    ): Map<string, RollcallError> =>
      new Map(
        changed.flatMap(file => {
          const own = dangling.filter(each => isFault(file, each))
          return own.length === 0 ? [] : [[file, errorOf(file, own)] as const]
        }),
      )
    const referring = faulty(
      (file, { owner }) => owner.origin === 'files' && owner.source === file,
      (_, own) => danglingError(own),
    )
    if (referring.size > 0) return referring
    const taking = faulty((file, each) => {
      const before = placedOf(file, this.#groupOf(file, proposal), this.#before(file))
      return isTarget(each, tableOf(before))
    }, removalError)
    return taking.size > 0 ? taking : faulty(() => true, removalError)
  }
}

const none: readonly AdmittedResource[] = []

function placedOf(file: string, group: string, resources: readonly AdmittedResource[]): Placed[] {
  return resources.map(resource => ({ group, resource, source: file }))
}
