/** The page for operators: an entry of its own, which shares parts and looks with the chat app. */
import { mount } from 'svelte'
import { recall } from '../local/browser-storage'
import { watchFailures } from '../parts/failures'
import { preferences } from '../parts/preferences.svelte'
import { toasts } from '../parts/toasts.svelte'
import { language, t as app } from '../strings/strings.svelte'
import '../styles/theme.css'
import '../styles/base.css'
import '../styles/controls.css'
import '../styles/layout.css'
import './admin.css'
import Admin from './Admin.svelte'

watchFailures(() => {
  toasts.show(app('failed'))
})

const target = document.getElementById('app')
if (target === null) throw new Error('the page has no place for the app')

preferences.show()
language.use(recall('kith.language'))
mount(Admin, { target })
