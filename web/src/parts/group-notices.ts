/** What has changed in a group, in words. */
import type { Address, GroupChange } from '../local/types'
import { language, t } from '../strings/strings.svelte'
import type { Key } from '../strings/texts'
import type { IconName } from './icons'
import { isolated } from './names'
import { people } from './people.svelte'

/** How many people a notice names. */
const NAMED = 3

/** Names of people, as a sentence has them. */
export function listed(addresses: Address[], me = people.me): string {
  const named = addresses
    .slice(0, NAMED)
    .map((one) => isolated(one === me ? t('notice.you') : people.name(one)))
  const others = addresses.length - named.length
  if (others) named.push(t('notice.others', { count: others }))
  return new Intl.ListFormat(language.tag).format(named)
}

/** One line for each thing that has changed. */
export function groupNotice(change: GroupChange, me = people.me): string[] {
  const { by, members, name, description, asks, what } = change
  const mine = by === me
  const who = isolated(people.name(by))
  const say = (key: string, values: Record<string, string | number> = {}): string =>
    t(`notice.${key}.${mine ? 'me' : 'other'}` as Key, { who, ...values })
  const lines: string[] = []
  const some = (fits: (one: GroupChange['members'][number]) => boolean): Address[] =>
    members.filter(fits).map(({ jid }) => jid)
  const tell = (key: string, all: Address[]): void => {
    if (all.length) lines.push(say(key, { people: listed(all, me), count: all.length }))
  }
  const isIn = (affiliation: string): boolean => ['owner', 'admin', 'member'].includes(affiliation)
  const came = (one: GroupChange['members'][number]): boolean => isIn(one.affiliation) && !isIn(one.was)
  const went = (one: GroupChange['members'][number]): boolean => !isIn(one.affiliation) && isIn(one.was)
  if (members.some((one) => came(one) && one.jid === by)) lines.push(say('joined'))
  tell(
    'added',
    some((one) => came(one) && !one.invited && one.jid !== by)
  )
  tell(
    'invited',
    some((one) => came(one) && one.invited && one.jid !== by)
  )
  if (members.some((one) => went(one) && one.jid === by)) lines.push(say('left'))
  tell(
    'removed',
    some((one) => went(one) && one.jid !== by)
  )
  tell(
    'promoted',
    some(({ affiliation, was }) => isAdmin(affiliation) && was === 'member')
  )
  tell(
    'demoted',
    some(({ affiliation, was }) => affiliation === 'member' && isAdmin(was))
  )
  if (name !== undefined) lines.push(say('named', { name: isolated(name) }))
  if (description !== undefined) lines.push(say('described'))
  if (asks !== undefined) lines.push(t('notice.asks', { who: isolated(people.name(asks)) }))
  if (what) lines.push(say(what))
  return lines
}

function isAdmin(affiliation: string): boolean {
  return affiliation === 'owner' || affiliation === 'admin'
}

export function groupNoticeIcon({ members, name, description, what, asks }: GroupChange): IconName {
  if (what === 'settings') return 'settings'
  if (name !== undefined || description !== undefined) return 'edit'
  if (asks !== undefined || members.length) return 'users'
  return 'info'
}
