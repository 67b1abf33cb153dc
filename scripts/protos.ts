/**
 * Builds the descriptor sets that are checked in, from our .proto files and those of @grpc/grpc-js-xds, with buf:
 * the same bytes each time (`npm run protos`; a test runs it again and compares). No source info, and of the
 * files only what the wanted types need, because the server loads its set at each start.
 *
 * To offer further messages, add their names to a set below.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const shipped = join(root, 'node_modules', '@grpc', 'grpc-js-xds', 'deps')
const protoRoots = [
  join(root, 'eds-server', 'protos'),
  ...['envoy-api', 'xds', 'protoc-gen-validate', 'googleapis'].map(name => join(shipped, name)),
]

interface DescriptorSet {
  /** Where it is checked in, from the root of the repository. */
  readonly target: string
  /** The .proto files that declare the types. */
  readonly files: readonly string[]
  /** Services and messages; what they refer to comes along. None: all that the files declare. */
  readonly types: readonly string[]
}

const DISCOVERY_SERVICES = {
  'envoy/service/discovery/v3/ads.proto': ['envoy.service.discovery.v3.AggregatedDiscoveryService'],
  'envoy/service/cluster/v3/cds.proto': ['envoy.service.cluster.v3.ClusterDiscoveryService'],
  'envoy/service/endpoint/v3/eds.proto': ['envoy.service.endpoint.v3.EndpointDiscoveryService'],
  'envoy/service/endpoint/v3/leds.proto': ['envoy.service.endpoint.v3.LocalityEndpointDiscoveryService'],
  'envoy/service/listener/v3/lds.proto': ['envoy.service.listener.v3.ListenerDiscoveryService'],
  'envoy/service/route/v3/rds.proto': [
    'envoy.service.route.v3.RouteDiscoveryService',
    'envoy.service.route.v3.VirtualHostDiscoveryService',
  ],
  'envoy/service/route/v3/srds.proto': ['envoy.service.route.v3.ScopedRoutesDiscoveryService'],
  'envoy/service/secret/v3/sds.proto': ['envoy.service.secret.v3.SecretDiscoveryService'],
  'envoy/service/runtime/v3/rtds.proto': ['envoy.service.runtime.v3.RuntimeDiscoveryService'],
  'envoy/service/extension/v3/config_discovery.proto': [
    'envoy.service.extension.v3.ExtensionConfigDiscoveryService',
  ],
}

/** Every message of generation v3 that a resource may hold, filters and other extensions included. */
function resourceFiles(): string[] {
  const below = (folder: string, protoRoot: string): string[] =>
    readdirSync(join(shipped, protoRoot, folder), { recursive: true, encoding: 'utf8' }).map(
      name => `${folder}/${name}`,
    )
  return [...below('envoy', 'envoy-api'), ...below('xds', 'xds')]
    .filter(name => /^(?:envoy\/.*\/v3|xds)\/.*\.proto$/.test(name) && isComplete(name))
    .sort()
}

/** False for a file that imports what is not shipped: tracers and sinks of projects outside of Envoy. */
function isComplete(file: string): boolean {
  const path = sourceOf(file)
  if (!path) return file.startsWith('google/protobuf/')
  return importsIn(readFileSync(path, 'utf8')).every(isComplete)
}

export const DESCRIPTOR_SETS: readonly DescriptorSet[] = [
  {
    target: 'eds-server/protos/xds.binpb',
    files: [
      ...Object.keys(DISCOVERY_SERVICES),
      'envoy/service/status/v3/csds.proto',
      'envoy/config/endpoint/v3/endpoint.proto',
      'rollcall/v1/resources.proto',
    ],
    types: [
      ...Object.values(DISCOVERY_SERVICES).flat(),
      'envoy.config.endpoint.v3.ClusterLoadAssignment',
      'envoy.service.status.v3.ClientStatusDiscoveryService',
      'google.rpc.Status',
      'rollcall.v1.Resources',
    ],
  },
  {
    // What documents are checked against, with the rules in the options of their fields.
    target: 'eds-server/protos/resources.binpb',
    files: resourceFiles(),
    types: [],
  },
  {
    // The resources that tests fill caches with; the server itself passes them on as bytes.
    target: 'test/conformance/resources.binpb',
    files: [
      'envoy/config/cluster/v3/cluster.proto',
      'envoy/config/endpoint/v3/endpoint.proto',
      'envoy/config/listener/v3/listener.proto',
      'envoy/config/route/v3/route.proto',
      'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
    ],
    types: [
      'envoy.config.cluster.v3.Cluster',
      'envoy.config.endpoint.v3.ClusterLoadAssignment',
      'envoy.config.listener.v3.Listener',
      'envoy.config.route.v3.RouteConfiguration',
      'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    ],
  },
]

/** Builds one set and returns its bytes. */
export function buildDescriptorSet(set: DescriptorSet): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-protos-'))
  try {
    const copied = new Set<string>()
    for (const file of set.files) copyWithImports(file, folder, copied)
    writeFileSync(join(folder, 'buf.yaml'), 'version: v2\n')
    const types = set.types.flatMap(type => ['--type', type])
    const output = join(folder, 'out.binpb')
    buf(['build', folder, '--as-file-descriptor-set', '--exclude-source-info', ...types, '-o', output])
    return readFileSync(output)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function copyWithImports(file: string, folder: string, copied: Set<string>): void {
  if (copied.has(file)) return
  copied.add(file)
  const source = sourceOf(file)
  if (!source) {
    // buf brings google/protobuf/*.proto itself; nothing else may be missing.
    if (file.startsWith('google/protobuf/')) return
    throw new Error(`${file} is not below ${relative(root, shipped)}`)
  }
  // The shipped validate.proto lacks this option, which the files beside it use.
  const text = readFileSync(source, 'utf8').replace(
    /^message StringRules \{$/m,
    line => `${line}\n  optional bool ignore_empty = 26;`,
  )
  mkdirSync(dirname(join(folder, file)), { recursive: true })
  writeFileSync(join(folder, file), text)
  for (const imported of importsIn(text)) copyWithImports(imported, folder, copied)
}

/** Undefined: it is not shipped. */
function sourceOf(file: string): string | undefined {
  return protoRoots.map(protoRoot => join(protoRoot, file)).find(path => existsSync(path))
}

function importsIn(text: string): string[] {
  return Array.from(text.matchAll(/^import (?:public |weak )?"([^"]+)";/gm), ([, name = '']) => name)
}

function buf(args: readonly string[]): void {
  const script = join(
    dirname(createRequire(import.meta.url).resolve('@bufbuild/buf/package.json')),
    'bin',
    'buf',
  )
  const { status, stderr, error } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`buf ${args[0]} failed: ${error?.message ?? stderr}`)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const set of DESCRIPTOR_SETS) {
    const target = join(root, set.target)
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, buildDescriptorSet(set))
  }
}
