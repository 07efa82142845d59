/** The function with which linking and discovery call the HTTP API (`/api/openapi.json`). */

/** Sends a request. Rejects with the refusal of the server, or if it can't be reached. `path` begins with a slash. */
export type Ask = (
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  body?: unknown,
  signal?: AbortSignal
) => Promise<unknown>

/** A field of an answer that has to be text. Throws TypeError. */
export function textOf(answer: unknown, field: string): string {
  const value = (answer as Record<string, unknown> | undefined)?.[field]
  if (typeof value !== 'string') throw new TypeError(`the server's answer has no ${field}`)
  return value
}
