/** Joins the policy to the resources that clients are served: what it makes of the services is admitted like all else. */
import type { Logger } from 'pino'
import type { Clock } from './clock.ts'
import { RollcallError, shown } from './errors.ts'
import type { Document, Fields, Policy } from './policy/policy.ts'
import { PolicyDocuments } from './policy/policy-documents.ts'
import { readPolicyFile } from './policy/policy-file.ts'
import { PolicySource } from './policy/policy-source.ts'
import type { Registry } from './registry/registry.ts'
import type { Admission, AdmittedResource } from './resources/admission.ts'
import type { Resources } from './resources/open-resources.ts'
import type { Placed } from './resources/placed.ts'

export interface ServedPolicy {
  /** What it last made is not served, and why; undefined: it is. */
  trouble(): string | undefined
  close(): void
}

export interface ServedPolicyOptions {
  /** Undefined: there is no policy. */
  readonly file: string | undefined
  readonly registry: Registry
  readonly resources: Resources
  readonly clock: Clock
  readonly logger: Logger
}

/** Throws ROLLCALL_OPTION_INVALID for a file that is no policy, or makes what Envoy would refuse. */
export function servePolicy({ file, registry, resources, clock, logger }: ServedPolicyOptions): ServedPolicy {
  if (file === undefined) return { trouble: () => undefined, close: () => undefined }
  const policy = readPolicyFile(file)
  const { admission, store } = resources
  checkByExample(policy, admission, file)
  const admitted = new WeakMap<Fields, AdmittedResource>()
  let trouble: string | undefined
  const place = ({ json, group, where }: Document): Placed => {
    const resource = admitted.get(json) ?? admission.json(json, where)
    admitted.set(json, resource)
    return { group: group ?? '', resource, source: where }
  }
  const source = new PolicySource({
    policy,
    registry,
    clock,
    publish(documents) {
      try {
        store.replace('policy', documents.map(place))
        trouble = undefined
      } catch (error) {
        if (!(error instanceof RollcallError)) throw error
        trouble = `policy: ${error.message}`
        logger.error(
          { err: error },
          'what the policy makes of the services is not served; the last state stays',
        )
      }
    },
  })
  return { trouble: () => trouble, close: () => source.close() }
}

/** Each rule with a service of an ordinary name: a field that is wrong for one is wrong for all. */
function checkByExample(policy: Policy, admission: Admission, file: string): void {
  const { listeners = [] } = policy
  for (const rule of policy.services) {
    const example = new PolicyDocuments({ listeners, services: [{ ...rule, match: '*' }] })
    for (const { json, where } of example.of(new Set(['example']))) {
      try {
        admission.json(json, where)
      } catch (cause) {
        if (!(cause instanceof RollcallError)) throw cause
        const message = `--policy: ${shown(file)} makes what no client would take: ${cause.message}`
        throw new RollcallError('ROLLCALL_OPTION_INVALID', message, { field: '--policy', value: file, cause })
      }
    }
  }
}
