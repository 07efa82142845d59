/** Tells who could not be added to a group. */
import type { NotAdded } from '../sync/app'
import { isolated } from '../parts/names'
import { people } from '../parts/people.svelte'
import { toasts } from '../parts/toasts.svelte'
import { t } from '../strings/strings.svelte'

export function tellRefused(refused: NotAdded): void {
  const all = Object.keys(refused)
  if (all.length)
    toasts.show(t('group.refused', { people: all.map((one) => isolated(people.name(one))).join(', ') }))
}
