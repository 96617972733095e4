package metrics_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/membership"
	"redoubt/internal/metrics"
	"redoubt/internal/rgm/model"
)

func scrape(m *metrics.Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestNodeInACluster(t *testing.T) {
	m := metrics.New(metrics.Sources{
		Membership: func() (membership.View, membership.Instant, bool) {
			return membership.View{
				Self: "n1", Copy: membership.Copy{State: membership.CopyUsable},
				Record: &membership.Record{
					Epoch: 7, Members: []membership.Member{{Node: "n1"}, {Node: "n2"}}, Voters: []membership.Voter{{Node: "n1"}, {Node: "n2"}, {Node: "n3"}},
					Timing: cluster.Timing{Timeout: time.Second},
				},
				IsMember: true, President: true, LeaseEnd: membership.Instant(90 * time.Second),
				Paths: []membership.PathState{{Node: "n2", Path: 0, Up: true}, {Node: "n2", Path: 1}},
				Peers: []membership.Peer{
					{Node: "n2", Suspected: true}, {Node: "n3", LastHeard: membership.Instant(89 * time.Second), Copy: membership.Copy{State: membership.CopyLost}},
				},
			}, membership.Instant(89500 * time.Millisecond), true
		},
		State: func() (model.State, bool) {
			return model.State{
				Groups: []model.Group{{Name: "web-rg", Managed: true}},
				Instances: []model.Instance{{Node: "n1", Group: "web-rg", State: model.GroupOnline, Resources: []model.ResourceInstance{
					{Name: "web", State: model.ResourceOnline, Status: model.StatusDegraded},
				}}},
			}, true
		},
		Beats: func() metrics.Beats {
			return metrics.Beats{Sent: 5, Received: 4, Dropped: map[string]uint64{"replay": 2}}
		},
		CertificateDays: func() (int, bool) { return 300, true },
		Certificates: func() []metrics.Certificate {
			return []metrics.Certificate{{"node", "n1", 49 * time.Hour}, {"user", "ada", -time.Hour}, {"user", "ada", 25 * time.Hour}, {"partner", "site2", -time.Hour}}
		},
	})
	m.Method("redoubt.gds", "Start", "failed", 30*time.Millisecond)
	m.Restart("web-rg", "web")
	m.Failover("web-rg", "node-lost")
	m.Repository("txn", "ok", 2*time.Millisecond)
	m.Request("group online", "ok", time.Second)
	m.Fencing("lease")
	got := scrape(m)
	for _, want := range []string{
		"redoubt_member 1", "redoubt_epoch 7", "redoubt_lease_seconds 0.5", "redoubt_president 1", "redoubt_members 2", "redoubt_voters 3",
		`redoubt_voter_present{voter="n1"} 1`, `redoubt_voter_present{voter="n2"} 0`, `redoubt_voter_present{voter="n3"} 1`, `redoubt_voter_copy_usable{voter="n1"} 1`,
		`redoubt_voter_copy_usable{voter="n3"} 0`, "redoubt_repository_copies_usable 1", "redoubt_voters_margin -1",
		`redoubt_path_up{node="n2",path="0"} 1`, `redoubt_path_up{node="n2",path="1"} 0`, `redoubt_node_suspected{node="n2"} 1`,
		"redoubt_heartbeats_sent_total 5", `redoubt_heartbeats_dropped_total{reason="replay"} 2`,
		`redoubt_group_state{group="web-rg",node="n1",state="ONLINE"} 1`, `redoubt_group_primaries{group="web-rg"} 1`,
		`redoubt_resource_status{group="web-rg",node="n1",resource="web",status="DEGRADED"} 1`, "redoubt_certificate_expiry_days 300",
		`redoubt_certificate_days_left{kind="node",name="n1"} 2`, `redoubt_certificate_days_left{kind="user",name="ada"} 1`, `redoubt_certificate_days_left{kind="partner",name="site2"} -1`,
		`redoubt_method_seconds_bucket{method="Start",outcome="failed",type="redoubt.gds",le="0.05"} 1`,
		`redoubt_resource_restarts_total{group="web-rg",resource="web"} 1`, `redoubt_group_failovers_total{group="web-rg",why="node-lost"} 1`,
		`redoubt_repository_seconds_count{operation="txn",outcome="ok"} 1`, `redoubt_guard_fencings_total{why="lease"} 1`,
		`redoubt_request_seconds_count{code="ok",operation="group online"} 1`, "go_goroutines",
	} {
		if !strings.Contains(got, want+"\n") && !strings.Contains(got, want+" ") {
			t.Errorf("no line %q in\n%s", want, got)
		}
	}
}

// A lease that has ended is no negative time, and a node in no cluster has metrics all the same.
func TestBounds(t *testing.T) {
	m := metrics.New(metrics.Sources{Membership: func() (membership.View, membership.Instant, bool) {
		return membership.View{}, membership.Instant(time.Hour), true
	}})
	if got := scrape(m); !strings.Contains(got, "redoubt_lease_seconds 0\n") || strings.Contains(got, "redoubt_epoch") {
		t.Error(got)
	}
	none := metrics.New(metrics.Sources{
		Membership: func() (membership.View, membership.Instant, bool) { return membership.View{}, 0, false },
		State:      func() (model.State, bool) { return model.State{}, false },
	})
	if got := scrape(none); strings.Contains(got, "redoubt_member") || !strings.Contains(got, "redoubt_build_info") {
		t.Error(got)
	}
}
