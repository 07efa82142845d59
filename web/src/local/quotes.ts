/** Removes the text of a deleted message where it is quoted. */
import { namesOf } from './naming'
import type { Message, OutgoingContent, Reply } from './types'
import type { Work } from './work'

/** The quote of a message whose text was deleted. */
export function withoutText({ id, from }: Reply): Reply {
  return { id, from, text: '', gone: true }
}

/** Removes the text of a deleted message from all quotes, including those that wait to be sent. */
export async function dropQuotes(work: Work, message: Message): Promise<void> {
  const names = await namesOf(work, message)
  await work.flush()
  const quoting = await work.db.messages.where('reply.id').anyOf(names).toArray()
  for (const { key, chat } of quoting) {
    const one = await work.message(key)
    if (chat !== message.chat || !one?.reply || one.reply.from !== message.from) continue
    if (one.reply.text) work.setMessage({ ...one, reply: withoutText(one.reply) })
  }
  await work.db.outgoing
    .where('to')
    .equals(message.chat)
    .filter(({ what }) => quotes(what, names))
    .modify((row) => {
      if (row.what.type === 'message' && row.what.reply) row.what.reply = withoutText(row.what.reply)
    })
}

function quotes(what: OutgoingContent, names: string[]): boolean {
  return what.type === 'message' && what.reply !== undefined && names.includes(what.reply.id)
}
