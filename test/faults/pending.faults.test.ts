/** Scenarios of the catalogue that are still to be written. */
import { pending } from './scenario.ts'

// These change clusters, listeners and routes, which nobody can put into the server yet.
pending('F16', 'a cluster changes and its endpoints do not')
pending('F17', 'clusters, endpoints, listeners and routes change together under load')
pending('F18', 'a cluster goes while its endpoints are awaited, and the server is replaced')
