/** The public API of @rollcall/sdk. */
export type { DrainReport } from './drain.ts'
export {
  DeliveryError,
  type DeliveryReport,
  OptionError,
  type PendingNode,
  RegistryError,
  RollcallError,
  UnreachableError,
} from './errors.ts'
export type { Check, CheckResult, Health } from './health.ts'
export type { Logger } from './logger.ts'
export type { AttachOptions, CommonOptions, Metadata, RegisterOptions } from './options.ts'
export { attach, register } from './register.ts'
export type { Registration } from './registration.ts'
export type { RegisteredEvent, RegistrationEvents, State, WaitOptions } from './registration-events.ts'
