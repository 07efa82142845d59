/**
 * Shows notifications of new messages while the app is not in front, and removes them when the messages were read, here
 * or elsewhere, or at log-out.
 */
import { liveQuery } from 'dexie'
import { kindOf } from '../local/conversation'
import type { Address } from '../local/types'
import type { App } from '../sync/app'
import { preferences } from './preferences.svelte'
import { people } from './people.svelte'
import { oneLine, preview } from './preview'
import { route } from './route.svelte'

const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined
/** The newest notification of each chat that was shown by the page itself. */
const ofPage = new Map<Address, Notification>()
/** By chat: stops watching the message of its notification. */
const watched = new Map<Address, () => void>()

/**
 * `hidden`: the text that is shown instead of the message where previews are off; `locked`: whether the app is locked.
 * Returns a function that stops it.
 */
export function notifications(
  app: App,
  name: (chat: Address) => Promise<string>,
  open: (chat: Address) => void,
  hidden: () => string,
  locked: () => boolean = () => false
): () => void {
  // removes the notification when the message was deleted or has disappeared
  const watch = (chat: Address, key: string): void => {
    watched.get(chat)?.()
    const looking = liveQuery(() => app.db.messages.get(key)).subscribe((message) => {
      if (message && message.kind !== 'deleted') return
      watched.get(chat)?.()
      void withdraw((other) => other !== chat)
    })
    watched.set(chat, () => {
      looking.unsubscribe()
    })
  }
  const tell = async (chat: Address, key: string, text: string): Promise<void> => {
    watch(chat, key)
    const title = await name(chat)
    // in a group, the title does not say who has written
    const message = await app.db.messages.get(key)
    const from = kindOf(chat, app.me) === 'group' ? message?.from : undefined
    const words = message?.media ? preview(message) : oneLine(text)
    const said = from === undefined ? words : `${people.short(from)}: ${words}`
    const options: NotificationOptions & { renotify: boolean } = {
      body: preferences.previews && !locked() && words ? said : hidden(),
      tag: chat,
      renotify: true,
      icon: '/icon-192.png',
      badge: '/icon-192.png',
      data: { chat, key }
    }
    const registration = await workers?.getRegistration()
    if (registration?.active) {
      ofPage.get(chat)?.close() // shown before there was a service worker
      await registration.showNotification(title, options)
      return
    }
    // at first, and in private windows, there is no service worker
    try {
      const shown = new Notification(title, options)
      shown.onclick = () => {
        shown.close()
        window.focus()
        open(chat)
      }
      ofPage.set(chat, shown)
    } catch {
      // phones do not allow that for pages
      const late = await workers?.ready
      if ((await app.db.chats.get(chat))?.unread) await late?.showNotification(title, options)
    }
  }
  const stop = app.onNews(({ chat, key, text }) => {
    const looking = document.visibilityState === 'visible' && document.hasFocus()
    if (looking && route.parts[0] === 'chat' && route.parts[1] === chat) return
    if (
      looking ||
      !preferences.notify ||
      !('Notification' in window) ||
      Notification.permission !== 'granted'
    )
      return
    tell(chat, key, text).catch((error: unknown) => {
      console.warn('no notification', error) // the permission was revoked in the meantime
    })
  })
  // notifications of an earlier page
  const elder = workers?.getRegistration().then(async (registration) => {
    for (const { data } of (await registration?.getNotifications()) ?? []) {
      const { chat, key } = (data ?? {}) as { chat?: string; key?: string }
      if (chat !== undefined && key !== undefined && !watched.has(chat)) watch(chat, key)
    }
  })
  elder?.catch((error: unknown) => {
    console.warn('notifications of before stay', error)
  })
  // chats read on this or another device lose their notifications; this runs with every change of a chat
  let before: Set<Address> | undefined
  const unread = liveQuery(async () => {
    const chats = await app.db.chats.toArray()
    return new Set(chats.filter((chat) => chat.unread > 0).map((chat) => chat.address))
  }).subscribe((chats) => {
    if (!before || [...before].some((chat) => !chats.has(chat))) void withdraw((chat) => chats.has(chat))
    before = chats
  })
  const said = (event: MessageEvent): void => {
    const { open: chat } = (event.data ?? {}) as { open?: string }
    if (chat !== undefined) open(chat)
  }
  workers?.addEventListener('message', said)
  return () => {
    stop()
    unread.unsubscribe()
    for (const end of watched.values()) end()
    workers?.removeEventListener('message', said)
  }
}

/** Removes notifications, except those of chats for which `stays` is true. */
export async function withdraw(stays: (chat: Address) => boolean = () => false): Promise<void> {
  for (const [chat, shown] of ofPage)
    if (!stays(chat)) {
      shown.close()
      ofPage.delete(chat)
    }
  const registration = await workers?.getRegistration().catch(() => undefined)
  for (const shown of (await registration?.getNotifications().catch(() => undefined)) ?? [])
    if (!stays(shown.tag)) shown.close()
}
