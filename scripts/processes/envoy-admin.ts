/** What Envoy's admin port says, as values: https://www.envoyproxy.io/docs/envoy/latest/operations/admin */
export interface EnvoyHost {
  /** `127.0.0.1:8081` */
  address: string
  /** As discovery said it: HEALTHY, UNHEALTHY, DRAINING, DEGRADED, TIMEOUT. */
  edsHealth: string
  /** Envoy's own findings that are true, e.g. failed_active_health_check, failed_outlier_check. */
  flags: string[]
}

interface ClustersAnswer {
  cluster_statuses?: {
    name: string
    host_statuses?: {
      address: { socket_address: { address: string; port_value: number } }
      health_status: Record<string, boolean | string>
    }[]
  }[]
}

export class EnvoyAdmin {
  readonly url: string

  constructor(url: string) {
    this.url = url
  }

  /** True once every listener and cluster is initialised and Envoy takes traffic. */
  async ready(): Promise<boolean> {
    const answer = await fetch(`${this.url}/ready`)
    await answer.arrayBuffer()
    return answer.status === 200
  }

  /** The members of a cluster. Default `service_backend`. */
  async hosts(cluster = 'service_backend'): Promise<EnvoyHost[]> {
    const { cluster_statuses: clusters = [] } = (await this.#json('/clusters?format=json')) as ClustersAnswer
    const found = clusters.find(({ name }) => name === cluster)
    if (!found) throw new Error(`Envoy knows no cluster ${cluster}`)
    return (found.host_statuses ?? []).map(({ address, health_status: health }) => ({
      address: `${address.socket_address.address}:${address.socket_address.port_value}`,
      edsHealth: String(health.eds_health_status ?? 'UNKNOWN'),
      flags: Object.keys(health).filter(name => health[name] === true),
    }))
  }

  /** Counters and gauges whose names match the regular expression (RE2). */
  async stats(filter: string): Promise<Map<string, number>> {
    const { stats } = (await this.#json(`/stats?format=json&filter=${encodeURIComponent(filter)}`)) as {
      stats: { name?: string; value?: number }[]
    }
    return new Map(stats.flatMap(({ name, value }) => (name && value !== undefined ? [[name, value]] : [])))
  }

  /** One counter or gauge; 0 where Envoy does not know it yet. */
  async stat(name: string): Promise<number> {
    return (await this.stats(`^${name.replaceAll('.', '\\.')}$`)).get(name) ?? 0
  }

  /** The value of a runtime key; undefined where no layer has it. */
  async runtime(key: string): Promise<string | undefined> {
    const { entries } = (await this.#json('/runtime')) as { entries: Record<string, { final_value: string }> }
    return entries[key]?.final_value
  }

  /** The names of the listeners in use. */
  async listeners(): Promise<string[]> {
    const { listener_statuses: listeners = [] } = (await this.#json('/listeners?format=json')) as {
      listener_statuses?: { name: string }[]
    }
    return listeners.map(({ name }) => name).sort()
  }

  /** The port that a listener was bound to. */
  async listenerPort(name = 'listener_0'): Promise<number> {
    const { listener_statuses: listeners } = (await this.#json('/listeners?format=json')) as {
      listener_statuses: { name: string; local_address: { socket_address: { port_value: number } } }[]
    }
    const found = listeners.find(listener => listener.name === name)
    if (!found) throw new Error(`Envoy has no listener ${name}`)
    return found.local_address.socket_address.port_value
  }

  async #json(path: string): Promise<unknown> {
    const answer = await fetch(this.url + path)
    if (!answer.ok) throw new Error(`Envoy's ${path} answered ${answer.status}: ${await answer.text()}`)
    return await answer.json()
  }
}
