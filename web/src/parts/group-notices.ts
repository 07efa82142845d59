/** What has changed in a group, in words. */
import { isIn } from '../local/members'
import type { Address, GroupChange, SettingsChange } from '../local/types'
import { language, t } from '../strings/strings.svelte'
import type { Key } from '../strings/texts'
import type { IconName } from './icons'
import { isolated, written } from './names'
import { ownName, people } from './people.svelte'
import { span } from './time'

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
  const { by, members, name, description, asks, nick = '', what, settings } = change
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
    some(({ affiliation, was }) => affiliation === 'admin' && was === 'member')
  )
  tell(
    'crowned',
    some(({ affiliation, was }) => affiliation === 'owner' && (was === 'member' || was === 'admin'))
  )
  tell(
    'uncrowned',
    some(({ affiliation, was }) => affiliation === 'admin' && was === 'owner')
  )
  tell(
    'demoted',
    some(({ affiliation, was }) => affiliation === 'member' && isAdmin(was))
  )
  for (const { jid, moved } of members)
    if (moved !== undefined && jid === me) lines.push(t('notice.moved.me'))
    else if (moved !== undefined)
      lines.push(
        t('notice.moved.other', { who: isolated(people.name(jid)), number: isolated(written(moved)) })
      )
  if (name !== undefined) lines.push(say('named', { name: isolated(name) }))
  if (description !== undefined) lines.push(say('described'))
  if (asks !== undefined)
    lines.push(t('notice.asks', { who: isolated(people.name(asks, ownName(asks, nick))) }))
  if (what && !settings) lines.push(say(what))
  if (settings) lines.push(...settingsNotices(settings, say))
  return lines
}

type Say = (key: string, values?: Record<string, string | number>) => string

function settingsNotices(settings: SettingsChange, say: Say): string[] {
  const { expire, ...others } = settings
  const lines = Object.entries(others).map(([name, value]) => say(`set.${name}.${String(value)}`))
  if (expire) lines.push(say('set.expire.on', { span: span(expire) }))
  else if (expire === 0) lines.push(say('set.expire.off'))
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
