/**
 * Selections of files that were closed without sending, by chat: what somebody has worked on can be taken up again. They
 * stay in the memory of the page, since a browser lets nobody read chosen files later.
 */
import { SvelteMap } from 'svelte/reactivity'
import type { Address } from '../../local/types'
import type { Selection } from './selection.svelte'

const kept = new SvelteMap<Address, Selection>()

/** Keeps a selection, or ends it if hardly anything is lost by that. */
export function leaveSelection(chat: Address, selection: Selection): void {
  selection.pause()
  if (selection.worthKeeping) kept.set(chat, selection)
  else selection.end()
}

export function keptSelection(chat: Address): Selection | undefined {
  return kept.get(chat)
}

/** The one that was kept, if any, which is not kept any more. */
export function resumeSelection(chat: Address): Selection | undefined {
  const found = kept.get(chat)
  kept.delete(chat)
  return found
}

export function discardSelection(chat: Address): void {
  resumeSelection(chat)?.end()
}
