/** Another id of a message: that of a correction (XEP-0308), by which some apps name what was corrected. */
import { addChange, changeKey } from './changes'
import { countUnread, findLast } from './chats'
import { dropQuotes } from './quotes'
import type { Address } from './types'
import type { Work } from './work'

/** From here on `key`, of a correction, names the message `target`; what was said of it is said of that one. */
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
