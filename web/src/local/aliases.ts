/** Other ids of a message: those of its corrections (XEP-0308), by which some apps refer to it. */
import { addChange, changeKey } from './changes'
import { countUnread, findLast } from './chats'
import { dropQuotes } from './quotes'
import type { Address } from './types'
import type { Work } from './work'

/** From now on `key`, of a correction, refers to the message `target`; changes of it apply to that message. */
export async function addAlias(work: Work, me: Address, key: string, target: string): Promise<void> {
  if (key === target || (await work.alias(key)) !== undefined) return
  const said = await work.allChanges(key)
  work.setAlias(key, target)
  for (const change of said) {
    work.dropChange(change.key)
    if (change.kind === 'alias') work.setAlias(change.key.slice('alias '.length), target)
    else await addChange(work, me, { ...change, target, key: changeKey(change.kind, target, change.from) })
  }
  const meant = await work.message(target)
  if (meant?.kind === 'deleted') await dropQuotes(work, meant)
  const stand = await work.message(key)
  if (!stand?.standsIn) return
  work.dropMessage(key)
  await findLast(work, stand.chat)
  await countUnread(work, await work.chat(stand.chat))
}
