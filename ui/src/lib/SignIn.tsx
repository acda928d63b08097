// Signing in with the administrator's token, where the service asks for it.

import { signal } from "@preact/signals";
import { session, signIn, signOut, unanswered } from "../api/session";
import { wordsOf } from "../api/client";

const token = signal("");
const failed = signal("");

export function SignIn() {
  const now = session.value;
  if (now === null) {
    return unanswered.value ? <p class="bad">{unanswered.value}</p> : <p class="muted">asking who you are …</p>;
  }
  if (now.admin) {
    return now.csrf === null ? (
      <p class="muted">{now.debug ? "DEBUG is on: everybody may do everything." : "No sign-in is needed here."}</p>
    ) : (
      <p>
        You are signed in.{" "}
        <button
          type="button"
          class="quiet"
          onClick={() => void signOut().catch((error: unknown) => (failed.value = wordsOf(error)))}
        >
          Sign out
        </button>
      </p>
    );
  }
  return (
    <form
      class="signin"
      onSubmit={(event) => {
        event.preventDefault();
        signIn(token.value).then(
          () => ((token.value = ""), (failed.value = "")),
          (error: unknown) => (failed.value = wordsOf(error)),
        );
      }}
    >
      <label class="entry">
        <span>ADMIN_TOKEN, or an API key with scope admin</span>
        <span class="box">
          <input
            id="token"
            type="password"
            autocomplete="current-password"
            value={token.value}
            onInput={(event) => (token.value = event.currentTarget.value)}
          />
        </span>
      </label>
      <button type="submit" id="sign-in" class="primary" disabled={token.value === ""}>
        Sign in
      </button>
      <p class="bad" role="status">
        {failed.value}
      </p>
    </form>
  );
}
