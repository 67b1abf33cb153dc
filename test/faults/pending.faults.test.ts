/** Scenarios of the catalogue that are still to be written. */
import { pending } from './scenario.ts'

for (const id of ['F30', 'F31', 'F32', 'F33', 'F34', 'F35', 'F36', 'F37', 'F38', 'F39']) {
  pending(id, 'not written yet')
}
for (const id of ['F40', 'F41', 'F42', 'F43', 'F44', 'F45']) pending(id, 'not written yet')
// These change clusters, listeners and routes, which nobody can put into the server yet.
pending('F16', 'a cluster changes and its endpoints do not')
pending('F17', 'clusters, endpoints, listeners and routes change together under load')
pending('F18', 'a cluster goes while its endpoints are awaited, and the server is replaced')
