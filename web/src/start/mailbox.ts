/** A mailbox at the server, through which two devices exchange one encrypted message while they are linked. */
import { type Bytes, fromBase64url } from '../local/bytes'
import { unreachable } from './api'
import { textOf, type Ask } from './ask'

/** How long to wait before a server that could not be reached is asked again, in milliseconds. */
const PAUSE = 2000
/** How long the server is asked to wait for the other device, in seconds. */
const WAIT = 20

/**
 * Waits until the mailbox with this id has content, even if the server is not reachable for a while. Rejects with the
 * server's refusal when the mailbox has expired, or with the reason of `signal`.
 */
export async function receive(ask: Ask, id: string, signal?: AbortSignal): Promise<Bytes> {
  for (;;) {
    signal?.throwIfAborted()
    let answer: unknown
    try {
      answer = await ask('GET', `/api/links/${id}?wait=${WAIT}`, undefined, signal)
    } catch (error) {
      if (!unreachable(error)) throw error
      await new Promise((done) => setTimeout(done, PAUSE))
      continue
    }
    const sealed = textOf(answer, 'sealed')
    if (sealed !== '') return fromBase64url(sealed)
  }
}
