/** Puts the parts together, and mounts the root component. */
import { mount } from 'svelte'
import App from './App.svelte'
import { openCrypto } from './crypto/open'
import { recall } from './local/browser-storage'
import './styles/theme.css'
import './styles/base.css'
import './styles/controls.css'
import './styles/layout.css'
import { preferences } from './parts/preferences.svelte'
import { toasts } from './parts/toasts.svelte'
import { watchFailures } from './parts/failures'
import { update } from './parts/update.svelte'
import { kept, moved, watch, type Kept } from './start/account'
import { Api, bearerOf } from './start/api'
import { thisDevice } from './start/device'
import { language, t } from './strings/strings.svelte'
import { openApp } from './sync/open'

watchFailures(() => {
  toasts.show(t('failed'))
})

const target = document.getElementById('app')
if (target === null) throw new Error('the page has no place for the app')

preferences.show()
language.use(recall('kith.language'))
watch(() => {
  location.replace('/')
})

const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/xmpp-websocket`

let before: Kept | undefined
let broken = false
try {
  before = await kept()
} catch (error) {
  console.error('nothing can be kept here', error)
  broken = true
}

mount(App, {
  target,
  props: {
    before,
    broken,
    open: (db, credential) => {
      // A newer version in another window has upgraded the database
      db.on('versionchange', ({ newVersion }) => {
        if (newVersion) location.reload()
      })
      return openApp(db, credential, {
        url,
        crypto: openCrypto,
        device: thisDevice().name,
        whereabouts: async (last) => {
          const answer = await new Api(() => Promise.resolve(bearerOf(last))).account()
          if (answer.ok) return answer.value.address
          if (answer.problem.error === 'not-authorized') return undefined
          throw new Error(answer.problem.error)
        },
        moved: (address) => {
          moved(db, address)
          location.reload()
        },
        endLogin: async (last) => {
          await new Api(() => Promise.resolve(bearerOf(last))).revokeDevice(last.device)
        }
      })
    }
  }
})

if (import.meta.env.PROD) void update.watch()
