/** The texts and icons of the app's notices in conversations. */
import type { Message } from '../local/types'
import { t } from '../strings/strings.svelte'
import { groupNotice, groupNoticeIcon } from './group-notices'
import type { IconName } from './icons'
import { isolated } from './names'
import { people } from './people.svelte'
import { span } from './time'

export function noticeText({ text, change, mine, from }: Message): string {
  if (change) return groupNotice(change).join(' ')
  const [name = '', seconds = '0'] = text.split(' ')
  // in a group, the address of the person follows
  if (seconds.includes('@')) {
    const who = isolated(people.name(seconds))
    if (name === 'keys-changed') return t('told.keys-changed.of', { who })
    if (name === 'keys-changed-verified') return t('told.keys-changed-verified.of', { who })
    if (name === 'pinned')
      return mine ? t('told.pinned.me') : t('told.pinned.of', { who: isolated(people.name(from)) })
  }
  if (name === 'disappears') {
    return Number(seconds) > 0
      ? t('told.disappears', { span: span(Number(seconds)) })
      : t('told.disappears-not')
  }
  if (name === 'pinned') return t('told.pinned')
  if (name === 'keys-changed') return t('told.keys-changed')
  if (name === 'keys-changed-verified') return t('told.keys-changed-verified')
  if (name === 'unencrypted') return t('told.unencrypted')
  if (name === 'encrypted-again') return t('told.encrypted-again')
  return t('told.other')
}

const NOTICE_ICONS: Partial<Record<string, IconName>> = {
  'keys-changed': 'shield',
  'keys-changed-verified': 'shield',
  disappears: 'timer',
  pinned: 'pin',
  unencrypted: 'unlock',
  'encrypted-again': 'lock'
}

export function noticeIcon({ text, change }: Message): IconName {
  if (change) return groupNoticeIcon(change)
  return NOTICE_ICONS[text.split(' ')[0] ?? ''] ?? 'info'
}
