import { type ReactNode, useId, useState } from "react";
import type { AudioFormat } from "../api/types";
import { Check, Field, Select } from "../ui/Field";
import { Icon } from "../ui/Icon";
import { complaints, DEFAULTS, FORMATS, type Options, offeredRates, summary, tidy } from "./options";
import "./OptionsPanel.css";

interface OptionsPanelProps {
  options: Options;
  onChange: (options: Options) => void;
}

const FORMAT_CHOICES = Object.entries(FORMATS).map(([value, { name, about }]) => [value, `${name}, ${about}`] as const);
const LOUDNESS = [
  ["", "As it is in the video"],
  ["-23", "Even, for broadcasting (-23 LUFS)"],
  ["-18", "Even, for podcasts in quiet rooms (-18 LUFS)"],
  ["-16", "Even, for podcasts (-16 LUFS)"],
  ["-14", "Even, as streaming services do (-14 LUFS)"],
] as const;
const CHANNELS = [
  ["", "As in the video"],
  ["2", "Stereo"],
  ["1", "Mono"],
] as const;
const COVERS = [
  ["auto", "The video’s own, if it has one"],
  ["none", "None"],
  ["frame", "A picture out of the video"],
] as const;

/** What is made of the next videos: one line as long as nobody wants to know more. */
export function OptionsPanel({ options, onChange }: OptionsPanelProps) {
  const [isOpen, setOpen] = useState(false);
  const panel = useId();
  return (
    <section className="options" aria-label="Settings for new videos">
      <div className="options-line">
        <p>
          You get <strong>{summary(options)}</strong>
        </p>
        <button
          type="button"
          className="button button-quiet"
          aria-expanded={isOpen}
          aria-controls={panel}
          onClick={() => setOpen(!isOpen)}
        >
          <Icon name="settings" />
          {isOpen ? "Hide settings" : "Change settings"}
        </button>
      </div>
      <div id={panel} hidden={!isOpen}>
        {isOpen && <Fields options={options} onChange={onChange} />}
      </div>
    </section>
  );
}

function Fields({ options, onChange }: OptionsPanelProps) {
  const wrong = complaints(options);
  const facts = FORMATS[options.format];
  const set = (change: Partial<Options>) => onChange(tidy({ ...options, ...change }));
  const text = (
    name: "start" | "end" | "track" | "title" | "artist" | "album",
    label: string,
    hint?: string,
    placeholder?: string,
  ) => (
    <Field
      label={label}
      value={options[name]}
      hint={hint}
      placeholder={placeholder}
      error={wrong[name]}
      maxLength={250}
      autoComplete="off"
      onChange={(event) => set({ [name]: event.target.value })}
    />
  );
  const isFrame = options.cover !== "auto" && options.cover !== "none";
  return (
    <div className="options-fields">
      <Group name="Sound">
        <Select
          label="Format"
          value={options.format}
          options={FORMAT_CHOICES}
          onChange={(format) => set({ format: format as AudioFormat })}
        />
        {facts.qualities.length > 0 && (
          <Select
            label="Quality"
            value={options.quality}
            options={facts.qualities}
            onChange={(quality) => set({ quality })}
          />
        )}
        <Select
          label="Loudness"
          value={options.normalize}
          options={LOUDNESS}
          onChange={(normalize) => set({ normalize })}
        />
        <Select
          label="Channels"
          value={options.channels}
          options={CHANNELS}
          onChange={(channels) => set({ channels })}
        />
        <Select
          label="Sample rate"
          value={options.sampleRate}
          options={[
            ["", "As in the video"],
            ...offeredRates(options).map((rate) => [String(rate), `${rate / 1000} kHz`] as const),
          ]}
          onChange={(sampleRate) => set({ sampleRate })}
        />
        {text(
          "track",
          "Audio track",
          "For videos with several: 0 is the first one, or a language like en or pt-BR. all joins several microphones.",
        )}
      </Group>
      <Group name="Part of the video">
        {text("start", "Start", "Seconds, or minutes like 1:30", "from the start")}
        {text("end", "End", "Seconds, or minutes like 1:30", "to the end")}
      </Group>
      <Group name="Names and picture">
        {text("title", "Title", "The video’s own if you leave it empty")}
        {text("artist", "Artist")}
        {text("album", "Album")}
        {facts.holdsCover && (
          <Select
            label="Cover picture"
            value={isFrame ? "frame" : options.cover}
            options={COVERS}
            onChange={(cover) => set({ cover: cover === "frame" ? "0:01" : cover })}
          />
        )}
        {isFrame && (
          <Field
            label="Time of the picture"
            value={options.cover}
            error={wrong.cover}
            onChange={(event) => set({ cover: event.target.value })}
          />
        )}
        <Check
          label="Leave out what the video says about itself"
          hint="Its titles, chapters and picture. Where it was recorded is never taken over."
          isOn={options.metadata === "strip"}
          onChange={(isOn) => set({ metadata: isOn ? "strip" : "keep" })}
        />
        {options.format === "mp3" && (
          <Check
            label="Take more time for a smaller file"
            hint="Long videos are made on one core, about 8 % smaller."
            isOn={options.isSequential}
            onChange={(isSequential) => set({ isSequential })}
          />
        )}
      </Group>
      <p className="options-end">
        <button type="button" className="button button-quiet" onClick={() => onChange(DEFAULTS)}>
          Back to the defaults
        </button>
      </p>
    </div>
  );
}

function Group({ name, children }: { name: string; children: ReactNode }) {
  return (
    <fieldset>
      <legend>{name}</legend>
      <div className="options-grid">{children}</div>
    </fieldset>
  );
}
