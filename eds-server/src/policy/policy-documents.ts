/**
 * What a policy makes of the services that are registered. A service's own documents are made once; only the routes
 * of a listener are made anew when a service comes or goes.
 */
import { clusterOf } from './cluster-template.ts'
import { grpcListenerOf, grpcRoutesOf, listenerOf } from './listener-template.ts'
import { type Document, type Fields, type Policy, ruleFor } from './policy.ts'
import { routesOf } from './route-template.ts'

export class PolicyDocuments {
  readonly #policy: Policy
  readonly #listeners: readonly Document[]
  readonly #byService = new Map<string, readonly Document[]>()

  constructor(policy: Policy) {
    this.#policy = policy
    this.#listeners = (policy.listeners ?? []).map(rule => ({
      json: listenerOf(rule),
      group: rule.group,
      where: `policy: listener ${rule.name}`,
    }))
  }

  /** Everything that there is to be for these services. Documents of a service are the same objects each time. */
  of(services: ReadonlySet<string>): Document[] {
    for (const known of this.#byService.keys()) if (!services.has(known)) this.#byService.delete(known)
    const routes = (this.#policy.listeners ?? []).map(rule => ({
      json: routesOf(this.#policy, rule, services),
      group: rule.group,
      where: `policy: routes of listener ${rule.name}`,
    }))
    return [...services].flatMap(service => this.#ofService(service)).concat(routes, this.#listeners)
  }

  #ofService(service: string): readonly Document[] {
    let documents = this.#byService.get(service)
    if (!documents) {
      documents = this.#make(service)
      this.#byService.set(service, documents)
    }
    return documents
  }

  #make(service: string): Document[] {
    const rule = ruleFor(this.#policy, service)
    if (!rule || rule.cluster === false) return []
    const document = (json: Fields): Document => ({
      json,
      group: undefined,
      where: `policy: service rule ${rule.match}, service ${service}`,
    })
    return [clusterOf(service, rule), grpcListenerOf(service), grpcRoutesOf(service)].map(document)
  }
}
