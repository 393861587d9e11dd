// The wire types under the names that the page uses. They are generated from docs/openapi.json: `npm run types`.
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Job = Schemas["Job"];
export type JobStatus = Schemas["JobStatus"];
export type JobPage = Schemas["JobPage"];
export type Audio = Schemas["Audio"];
export type AudioFormat = Schemas["AudioFormat"];
export type UploadForm = Schemas["UploadForm"];
export type FailureCode = Schemas["FailureCode"];
export type Peaks = Schemas["Waveform"];
export type ProblemCode = Schemas["ProblemCode"];
export type TokenAnswer = Schemas["TokenAnswer"];
export type Me = Schemas["Me"];
export type Role = Schemas["Role"];
export type MailPreferences = Schemas["MailPreferences"];
export type Session = Schemas["Session"];
export type ApiKey = Schemas["ApiKey"];
export type CreatedApiKey = Schemas["CreatedApiKey"];
export type Scope = Schemas["Scope"];
export type Provider = Schemas["Provider"];
export type Account = Schemas["AccountSummary"];
export type AccountPage = Schemas["AccountPage"];
export type DeadMessage = Schemas["DeadMessage"];
export type QuotaReport = Schemas["QuotaReport"];
export type QueueState = Schemas["QueueState"];
export type SignedLink = Schemas["CreatedLink"];
