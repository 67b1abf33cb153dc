/** What the routes of documents answer, as schemas. */
import { type TSchema, Type } from 'typebox'

const text: TSchema = Type.String()

const resourceFields = {
  type: text,
  name: text,
  group: Type.String({ description: 'Empty: for every group that has none of this name of its own' }),
  version: Type.String({ description: 'A hash of the content' }),
  origin: Type.Unsafe({ type: 'string', enum: ['api', 'files', 'policy'] }),
  source: Type.String({ description: 'The file, for those of files' }),
  ttl: Type.Optional(Type.String({ description: 'Its time to live; missing where it has none' })),
  resource: Type.Optional(
    Type.Unsafe({
      type: 'object',
      additionalProperties: true,
      description: 'Proto3 JSON with its @type; secrets are shown as [redacted]',
    }),
  ),
}

export const resourceAnswer: TSchema = Type.Object(resourceFields, { description: 'The resource' })

export const createdResourceAnswer: TSchema = Type.Object(resourceFields, {
  description: 'The resource, which was not there before',
})

export const resourcesAnswer: TSchema = Type.Object(
  {
    resources: Type.Array(Type.Object(resourceFields)),
    errors: Type.Array(
      Type.Object({
        file: text,
        path: Type.String({ description: 'A JSON pointer into the document' }),
        message: text,
        since: Type.String({ format: 'date-time' }),
      }),
      { description: 'What is wrong with documents at present; what was right before stays in force' },
    ),
  },
  { description: 'What is in force, by group, type and name' },
)
