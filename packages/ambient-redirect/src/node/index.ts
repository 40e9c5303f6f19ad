export { applySettings, checkSettings, listSettings, restoreSettings, type SettingState } from './apply.ts';
export type { RoutingPart } from './routing.ts';
export { planSettings, type Deviation, type SettingsRecord, type SysctlChange } from './settings.ts';
export { DEFAULT_ROUTING, type SettingsTarget } from './target.ts';
