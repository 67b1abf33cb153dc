// Loaded into the server before it starts, as `--import`: at SIGWINCH garbage is collected and its memory given back,
// which V8 otherwise leaves for some time of rest. It is what Go calls FreeOSMemory, for the peer.
import { Session } from 'node:inspector'

process.on('SIGWINCH', () => {
  const session = new Session()
  session.connect()
  // Not within the answer: the process would then wait for a debugger to leave when it ends.
  session.post('HeapProfiler.collectGarbage', () => setImmediate(() => session.disconnect()))
})
