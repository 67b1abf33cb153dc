/** The request of the REST form as a JSON schema, for the document; fetch-request.ts reads it. */
import type { FetchMethod } from './fetch-method.ts'

const text = { type: 'string' }

export function requestSchemaOf({ typeUrl, type }: FetchMethod): object {
  return {
    type: 'object',
    description: 'a discovery request as a JSON object',
    properties: {
      version_info: { ...text, description: 'What the client has; empty or missing: nothing' },
      node: {
        type: 'object',
        description: 'Who asks. Without an id the client is answered at once and not shown',
        properties: { id: text, cluster: text },
        additionalProperties: true,
      },
      resource_names: {
        type: 'array',
        items: text,
        description: type.legacyWildcard ? 'Missing: all' : 'At least one',
      },
      type_url: { ...text, description: `Missing: ${typeUrl}` },
    },
    additionalProperties: true,
    examples: [{ resource_names: ['myservice'], type_url: typeUrl }],
  }
}
