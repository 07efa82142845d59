/** The texts and icons of the app's notices in conversations. */
import { t } from '../strings/strings.svelte'
import type { IconName } from './icons'
import { span } from './time'

export function noticeText(text: string): string {
  const [name = '', seconds = '0'] = text.split(' ')
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

export function noticeIcon(text: string): IconName {
  return NOTICE_ICONS[text.split(' ')[0] ?? ''] ?? 'info'
}
