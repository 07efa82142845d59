/** How linking and discovery call the HTTP API, which `/api/openapi.json` describes. */

/**
 * Sends a request, with `body` as JSON, and resolves with the decoded response. Rejects with the server's refusal, or if
 * the server can't be reached. `path` begins with a slash.
 */
export type Ask = (
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  body?: unknown,
  signal?: AbortSignal
) => Promise<unknown>

/** A field of a response that has to be a string. Throws TypeError if it is not. */
export function textOf(answer: unknown, field: string): string {
  const value = (answer as Record<string, unknown> | undefined)?.[field]
  if (typeof value !== 'string') throw new TypeError(`the server's answer has no ${field}`)
  return value
}
