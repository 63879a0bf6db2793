// Prometheus' answers as the data frames that Grafana's data source makes of them, and what its registries must know.
import {
  DataFrame, FieldType, applyFieldOverrides, createTheme, standardFieldConfigEditorRegistry, standardTransformers,
  standardTransformersRegistry, transformDataFrame,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';

export const theme = createTheme({ colors: { mode: 'dark' } });

// The options that our dashboards set. Grafana registers them with their editors, of which there are none here.
standardFieldConfigEditorRegistry.setInit(() =>
  ['unit', 'min', 'max', 'decimals', 'displayName', 'color', 'noValue', 'thresholds', 'mappings', 'links', 'fieldMinMax',
    'custom.width', 'custom.minWidth', 'custom.hidden', 'custom.inspect', 'custom.cellOptions', 'custom.align', 'custom.filterable', 'custom.lineStyle', 'custom.lineWidth',
    'custom.fillOpacity', 'custom.axisPlacement', 'custom.stacking', 'custom.drawStyle'].map((id) => ({
    id, path: id.replace('custom.', ''), isCustom: id.startsWith('custom.'), name: id, settings: {},
    editor: () => null, override: () => null, process: (value: any) => value, shouldApply: () => true,
  })) as any);
standardTransformersRegistry.setInit(() =>
  [...new Map(Object.values(standardTransformers).map((one: any) => [one.id, one])).values()].map((one: any) =>
    ({ id: one.id, name: one.name, transformation: one })) as any);

const number = (text: string) => (text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text));

function legend(format: string | undefined, labels: Record<string, string>) {
  return format ? format.replace(/{{\s*(.+?)\s*}}/g, (_, name) => labels[name] ?? '') : JSON.stringify(labels);
}

function table(target: any, series: any[], several: boolean): DataFrame {
  const names = [...new Set(series.flatMap((one) => Object.keys(one.metric)))].sort();
  return {
    refId: target.refId, length: series.length, fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: series.map((one) => one.value[0] * 1000) },
      ...names.map((name) => ({ name, type: FieldType.string, config: {}, values: series.map((one) => one.metric[name] ?? '') })),
      { name: several ? `Value #${target.refId}` : 'Value', type: FieldType.number, config: {}, values: series.map((one) => number(one.value[1])) },
    ],
  };
}

function graph(target: any, series: any, step: number): DataFrame {
  const points = series.values ?? [series.value];
  return {
    refId: target.refId, length: points.length, fields: [
      { name: 'Time', type: FieldType.time, config: { interval: step * 1000 }, values: points.map((one: any) => one[0] * 1000) },
      { name: 'Value', type: FieldType.number, labels: series.metric, values: points.map((one: any) => number(one[1])),
        config: { displayNameFromDS: legend(target.legendFormat, series.metric) } },
    ],
  };
}

/** `answers`: what Prometheus said to each of the panel's targets. */
export async function framesOf(panel: any, answers: any[], step: number): Promise<DataFrame[]> {
  let frames = panel.targets.flatMap((target: any, at: number) =>
    target.format === 'table' ? (answers[at].length ? [table(target, answers[at], panel.targets.length > 1)] : [])
      : answers[at].map((one: any) => graph(target, one, step)));
  if (panel.transformations) {
    for (const one of panel.transformations) standardTransformersRegistry.get(one.id);  // throws where Grafana 10 would
    frames = await lastValueFrom(transformDataFrame(panel.transformations, frames));
  }
  return applyFieldOverrides({ data: frames, fieldConfig: panel.fieldConfig, replaceVariables: (text) => text, theme,
    timeZone: 'utc' });
}
