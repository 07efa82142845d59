/** The menu items of a chat, for all places where its menu is. */
import type { Chat } from '../local/types'
import type { App } from '../sync/app'
import { t } from '../strings/strings.svelte'
import type { MenuItem } from './Menu.svelte'
import { attempt, toasts } from './toasts.svelte'

/** Actions that first open a dialog, or a mode of the screen. */
interface Asking {
  mute: () => void
  clear: () => void
  remove: () => void
  select?: () => void
}

export function chatItems(app: App, chat: Chat, ask: Asking): MenuItem[] {
  const { address } = chat
  const muted = chat.mutedUntil > app.now()
  return [
    {
      label: t(chat.pinned ? 'chat.unpin' : 'chat.pin'),
      icon: 'pin',
      act: () => {
        attempt(app.pin(address, !chat.pinned))
      }
    },
    {
      label: t(chat.favourite ? 'chat.unfavourite' : 'chat.favourite'),
      icon: 'heart',
      act: () => {
        attempt(app.favourite([address], !chat.favourite))
      }
    },
    {
      label: t(muted ? 'chat.unmute' : 'chat.mute'),
      icon: muted ? 'bell' : 'mute',
      act: () => {
        if (muted) attempt(app.mute(address, 0))
        else ask.mute()
      }
    },
    {
      label: t(chat.unread ? 'chat.read' : 'chat.unread'),
      icon: 'unread',
      act: () => {
        attempt(chat.unread ? app.read(address, chat.last) : app.markUnread(address))
      }
    },
    {
      label: t(chat.archived ? 'chat.unarchive' : 'chat.archive'),
      icon: 'archive',
      act: () => {
        attempt(app.archive(address, !chat.archived))
        if (!chat.archived)
          toasts.show(t('chat.archived'), {
            label: t('undo'),
            act: () => {
              attempt(app.archive(address, false))
            }
          })
      }
    },
    ...(ask.select ? [{ label: t('message.select'), icon: 'select' as const, act: ask.select }] : []),
    { label: t('chat.clear'), icon: 'erase', danger: true, act: ask.clear },
    { label: t('chat.remove'), icon: 'trash', danger: true, act: ask.remove }
  ]
}
