import type { Message, Reply } from './types'

/** How an answer names the message that it answers. */
export function replyTo({ id, from, text }: Message): Reply {
  return { id, from, text }
}
