import { useId } from "preact/hooks";
import { say } from "../preferences.ts";
import type { Text } from "../texts/language.ts";

type FieldProps = {
  name: string;
  value: string;
  onInput: (value: string) => void;
  type?: "text" | "number" | "time" | "datetime-local";
  placeholder?: string;
  list?: string;
  isRequired?: boolean;
};

/** A line of text with its name above it. */
export function Field(props: FieldProps) {
  const { name, value, onInput, type = "text", placeholder, list, isRequired = false } = props;
  return (
    <label>
      <span>{name}</span>
      <input
        type={type}
        value={value}
        required={isRequired}
        placeholder={placeholder}
        list={list}
        autocomplete="off"
        autocapitalize="off"
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
      />
    </label>
  );
}

type PasswordFieldProps = {
  name: string;
  value: string;
  onInput: (value: string) => void;
  /** One that is chosen now: the browser may propose one, and it has a least length. */
  isNew?: boolean;
};

/** A password with its name above it; the browser may fill it in. */
export function PasswordField({ name, value, onInput, isNew = false }: PasswordFieldProps) {
  return (
    <label>
      <span>{name}</span>
      <input
        type="password"
        value={value}
        required
        minLength={isNew ? 10 : undefined}
        autocomplete={isNew ? "new-password" : "current-password"}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
      />
    </label>
  );
}

type SelectProps<Value extends string> = {
  name: string;
  value: Value;
  /** Each value with its words, in their order. */
  options: readonly (readonly [value: Value, words: string])[];
  onChange: (value: Value) => void;
  isDisabled?: boolean;
};

/** One of several, with its name above it. */
export function SelectField<Value extends string>(props: SelectProps<Value>) {
  const id = useId();
  return (
    <div class="field">
      <label htmlFor={id}>{props.name}</label>
      <Select {...props} id={id} />
    </div>
  );
}

/** One of several, in a line where everybody sees what it is for; its name is for who does not. */
export function Select<Value extends string>(props: SelectProps<Value> & { id?: string }) {
  const { name, value, options, onChange, isDisabled = false, id } = props;
  return (
    <select
      id={id}
      aria-label={id === undefined ? name : undefined}
      value={value}
      disabled={isDisabled}
      onChange={({ currentTarget }) => onChange(currentTarget.value as Value)}
    >
      {options.map(([one, words]) => (
        <option key={one} value={one}>
          {words}
        </option>
      ))}
    </select>
  );
}

/** A tree of words as what can be selected. */
export function optionsOf<Value extends string>(words: Readonly<Record<Value, Text>>): [value: Value, words: string][] {
  return (Object.keys(words) as Value[]).map((value) => [value, say(words[value])]);
}

/** Words that are their own value. */
export function ownWords(words: readonly string[]): [value: string, words: string][] {
  return words.map((word) => [word, word]);
}
