/** URLs of workers: the Trusted Types policy of the page allows only the app's own files. */

interface Policy {
  createScriptURL(url: string): unknown
}
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy
}

const OWN = /^\/(?:sw\.js|assets\/[\w.-]+\.js)$/

let policy: Policy | undefined

/** For `new Worker` and `register`, if the browser has Trusted Types. Throws TypeError for any other URL. */
export function trustedWorker(url: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes }
  if (import.meta.env.PROD && !OWN.test(url)) throw new TypeError('not our worker')
  // A name may have only one policy
  policy ??= trustedTypes?.createPolicy('kith', {
    createScriptURL: (text) => {
      if (import.meta.env.PROD && !OWN.test(text)) throw new TypeError('not our worker')
      return text
    }
  })
  return (policy?.createScriptURL(url) ?? url) as string
}
