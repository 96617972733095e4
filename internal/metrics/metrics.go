// Package metrics is what monitoring systems read of a node, in the text format of Prometheus. What can be read off a snapshot is read when
// somebody asks, from functions that the composition hands in; what happens between two questions is counted here.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"redoubt/internal/membership"
	"redoubt/internal/rgm/model"
	"redoubt/internal/version"
)

// Sources are the views of the node that a scrape reads. A nil function, or one that reports false, leaves its metrics out: a node in no
// cluster has few. The functions are called from many goroutines and must not block.
type Sources struct {
	// Membership is the view of the membership and the reading of the clock that its instants are on.
	Membership func() (view membership.View, now membership.Instant, ok bool)
	// State is the newest snapshot of the resource groups.
	State func() (model.State, bool)
	// Beats counts the heartbeats since the daemon began.
	Beats func() Beats
	// CommandLog is the state of the command log.
	CommandLog func() (LogState, bool)
	// CertificateDays is how many days the node's certificate still holds; negative once it has ended.
	CertificateDays func() (int, bool)
	// Certificates are those of the whole cluster that count.
	Certificates func() []Certificate
}

// Certificate is one of the cluster's certificates; of several that a user has each counts for itself, and the one that ends last is what is shown.
type Certificate struct {
	Kind, Name string
	Left       time.Duration // until its end; negative after it
}

// Beats counts heartbeats: what was sent, what was received and used, and what was received and dropped, by the reason.
type Beats struct {
	Sent, Received uint64
	Dropped        map[string]uint64
}

// Metrics is the registry of one daemon. Its methods may be called from many goroutines.
type Metrics struct {
	registry   *prometheus.Registry
	methods    *prometheus.HistogramVec
	restarts   *prometheus.CounterVec
	failovers  *prometheus.CounterVec
	repository *prometheus.HistogramVec
	requests   *prometheus.HistogramVec
	fencings   *prometheus.CounterVec
	commandLog commandLog
}

// The upper ends of the histograms, in seconds: methods take from milliseconds to minutes, a write of the repository from a fraction of a
// millisecond to its deadline.
var (
	methodBuckets     = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	repositoryBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5}
)

// New makes the registry. The metrics of the process itself are part of it.
func New(s Sources) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		methods: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "redoubt_method_seconds", Help: "How long callback methods took, by how they ended: ok, failed, timeout or aborted.", Buckets: methodBuckets,
		}, []string{"type", "method", "outcome"}),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redoubt_resource_restarts_total", Help: "Restarts of resources on this node after a failure.",
		}, []string{"group", "resource"}),
		failovers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redoubt_group_failovers_total", Help: "Moves of groups that this node decided on as president without being asked, by why: node-lost, start-failed or giveover.",
		}, []string{"group", "why"}),
		repository: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "redoubt_repository_seconds", Help: "How long operations of the configuration repository took, by how they ended.", Buckets: repositoryBuckets,
		}, []string{"operation", "outcome"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "redoubt_request_seconds", Help: "How long requests to the API took, by operation and code; the code of a success is ok.", Buckets: methodBuckets,
		}, []string{"operation", "code"}),
		fencings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redoubt_guard_fencings_total", Help: "How often the guard ended this node's services, by why.",
		}, []string{"why"}),
	}
	var log []prometheus.Collector
	m.commandLog, log = newCommandLog(s.CommandLog)
	m.registry.MustRegister(log...)
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "redoubt_build_info", Help: "1, with the version of this build."}, []string{"version"})
	build.WithLabelValues(version.Version).Set(1)
	m.registry.MustRegister(
		m.methods, m.restarts, m.failovers, m.repository, m.requests, m.fencings, build, scrape{s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Handler serves the metrics. A source that fails leaves a gap; the others are served.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// Method counts one run of a callback method. outcome is ok, failed, timeout or aborted.
func (m *Metrics) Method(typeName, method, outcome string, took time.Duration) {
	m.methods.WithLabelValues(typeName, method, outcome).Observe(took.Seconds())
}

// Restart counts a restart of a resource after a failure.
func (m *Metrics) Restart(group, resource string) { m.restarts.WithLabelValues(group, resource).Inc() }

// Failover counts a move of a group that nobody asked for.
func (m *Metrics) Failover(group, why string) { m.failovers.WithLabelValues(group, why).Inc() }

// Repository counts one operation of the repository: get, read or txn. outcome is ok or a fault code.
func (m *Metrics) Repository(operation, outcome string, took time.Duration) {
	m.repository.WithLabelValues(operation, outcome).Observe(took.Seconds())
}

// Request counts one request to the API. operation is one of the fixed table, never what a client made up.
func (m *Metrics) Request(operation, code string, took time.Duration) {
	m.requests.WithLabelValues(operation, code).Observe(took.Seconds())
}

// Fencing counts a firing of the guard: lease, daemon, order.
func (m *Metrics) Fencing(why string) { m.fencings.WithLabelValues(why).Inc() }
