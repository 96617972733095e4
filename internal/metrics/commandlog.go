package metrics

import "github.com/prometheus/client_golang/prometheus"

// commandLog counts what is recorded and what becomes of it.
type commandLog struct {
	records   *prometheus.CounterVec
	failures  prometheus.Counter
	forwarded prometheus.Counter
	dropped   prometheus.Counter
}

// LogState is the state of the command log now.
type LogState struct {
	Entries, Bytes int64
	Findings       int   // logs of nodes that were changed, as far as this node knows
	Waiting        int64 // for the collector
}

func newCommandLog(state func() (LogState, bool)) (commandLog, []prometheus.Collector) {
	c := commandLog{
		records:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "redoubt_commandlog_records_total", Help: "Records written to the command log of this node, by kind."}, []string{"kind"}),
		failures:  prometheus.NewCounter(prometheus.CounterOpts{Name: "redoubt_commandlog_write_failures_total", Help: "How often the command log could not be written."}),
		forwarded: prometheus.NewCounter(prometheus.CounterOpts{Name: "redoubt_commandlog_forwarded_total", Help: "Records sent to the collector."}),
		dropped:   prometheus.NewCounter(prometheus.CounterOpts{Name: "redoubt_commandlog_dropped_total", Help: "Records that were not sent because more waited than the backlog allows."}),
	}
	all := []prometheus.Collector{c.records, c.failures, c.forwarded, c.dropped}
	for name, g := range map[string]struct {
		help  string
		value func(LogState) float64
	}{
		"redoubt_commandlog_entries":  {"Entries in the command log of this node.", func(s LogState) float64 { return float64(s.Entries) }},
		"redoubt_commandlog_bytes":    {"Size of the command log of this node.", func(s LogState) float64 { return float64(s.Bytes) }},
		"redoubt_commandlog_findings": {"Command logs that were changed, as far as this node knows.", func(s LogState) float64 { return float64(s.Findings) }},
		"redoubt_commandlog_waiting":  {"Entries that wait for the collector.", func(s LogState) float64 { return float64(s.Waiting) }},
	} {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: g.help}, func() float64 {
			if state == nil {
				return 0
			}
			s, _ := state()
			return g.value(s)
		}))
	}
	return c, all
}

// LogRecord counts a record of the command log.
func (m *Metrics) LogRecord(kind string) { m.commandLog.records.WithLabelValues(kind).Inc() }

// LogFailure counts a record that could not be written.
func (m *Metrics) LogFailure() { m.commandLog.failures.Inc() }

// LogForwarded counts records that were sent to the collector, and those that were not.
func (m *Metrics) LogForwarded(sent, dropped int) {
	m.commandLog.forwarded.Add(float64(sent))
	m.commandLog.dropped.Add(float64(dropped))
}
