/** What the app itself tells in a conversation. */
import { t } from '../strings/strings.svelte'
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
  return t('told.other')
}
