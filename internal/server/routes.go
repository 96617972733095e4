package server

import (
	"net/http"
	"reflect"

	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/fault"
)

var (
	errorType  = reflect.TypeFor[v1.Error]()
	statusType = reflect.TypeFor[v1.Status]()
	noticeType = reflect.TypeFor[v1.Notice]()
)

// methods is the one table from operations to the methods that carry them out.
var methods = map[string]route{
	"cluster create":      bind((*control.Control).ClusterCreate),
	"cluster list":        bind((*control.Control).ClusterList),
	"cluster show":        bind((*control.Control).ClusterShow),
	"cluster status":      bind((*control.Control).ClusterStatus),
	"cluster plan":        bind((*control.Control).ClusterPlan),
	"cluster set":         bind((*control.Control).ClusterSet),
	"cluster upgrade":     bind((*control.Control).ClusterUpgrade),
	"cluster check":       bind((*control.Control).ClusterCheck),
	"cluster list-checks": bind((*control.Control).ClusterListChecks),
	"cluster verify":      bind((*control.Control).ClusterVerify),
	"cluster export":      bind((*control.Control).ClusterExport),
	"cluster apply":       bind((*control.Control).ClusterApply),
	"cluster snapshot":    stream((*control.Control).ClusterSnapshot),
	"cluster shutdown":    bind((*control.Control).ClusterShutdown),

	"node list":             bind((*control.Control).NodeList),
	"node show":             bind((*control.Control).NodeShow),
	"node status":           bind((*control.Control).NodeStatus),
	"node join":             bind((*control.Control).NodeJoin),
	"node admit":            bind((*control.Control).NodeAdmit),
	"node key":              bind((*control.Control).NodeKey),
	"node add":              bind((*control.Control).NodeAdd),
	"node configure":        bind((*control.Control).NodeConfigure),
	"node remove":           bind((*control.Control).NodeRemove),
	"node evacuate":         bind((*control.Control).NodeEvacuate),
	"node set":              bind((*control.Control).NodeSet),
	"node create-loadlimit": bind((*control.Control).NodeCreateLoadlimit),
	"node set-loadlimit":    bind((*control.Control).NodeSetLoadlimit),
	"node delete-loadlimit": bind((*control.Control).NodeDeleteLoadlimit),
	"node set-fence":        bind((*control.Control).NodeSetFence),
	"node clear-fence":      bind((*control.Control).NodeClearFence),

	"quorum list":   bind((*control.Control).QuorumList),
	"quorum show":   bind((*control.Control).QuorumShow),
	"quorum status": bind((*control.Control).QuorumStatus),
	"quorum add":    bind((*control.Control).QuorumAdd),
	"quorum remove": bind((*control.Control).QuorumRemove),

	"interconnect show":    bind((*control.Control).InterconnectShow),
	"interconnect status":  bind((*control.Control).InterconnectStatus),
	"interconnect add":     bind((*control.Control).InterconnectAdd),
	"interconnect remove":  bind((*control.Control).InterconnectRemove),
	"interconnect enable":  bind((*control.Control).InterconnectEnable),
	"interconnect disable": bind((*control.Control).InterconnectDisable),

	"access list":      bind((*control.Control).AccessList),
	"access show":      bind((*control.Control).AccessShow),
	"auth enable":      bind((*control.Control).AuthEnable),
	"auth disable":     bind((*control.Control).AuthDisable),
	"auth show":        bind((*control.Control).AuthShow),
	"access approve":   bind((*control.Control).AccessApprove),
	"access allow":     bind((*control.Control).AccessAllow),
	"access deny":      bind((*control.Control).AccessDeny),
	"access allow-all": bind((*control.Control).AccessAllowAll),
	"access deny-all":  bind((*control.Control).AccessDenyAll),
	"access set":       bind((*control.Control).AccessSet),

	"type list":       bind((*control.Control).TypeList),
	"type show":       bind((*control.Control).TypeShow),
	"type list-props": bind((*control.Control).TypeListProps),
	"type register":   bind((*control.Control).TypeRegister),
	"type unregister": bind((*control.Control).TypeUnregister),
	"type set":        bind((*control.Control).TypeSet),

	"group list":        bind((*control.Control).GroupList),
	"group show":        bind((*control.Control).GroupShow),
	"group status":      bind((*control.Control).GroupStatus),
	"group why":         bind((*control.Control).GroupWhy),
	"group list-props":  bind((*control.Control).GroupListProps),
	"group create":      bind((*control.Control).GroupCreate),
	"group delete":      bind((*control.Control).GroupDelete),
	"group online":      bind((*control.Control).GroupOnline),
	"group offline":     bind((*control.Control).GroupOffline),
	"group switch":      bind((*control.Control).GroupSwitch),
	"group restart":     bind((*control.Control).GroupRestart),
	"group remaster":    bind((*control.Control).GroupRemaster),
	"group suspend":     bind((*control.Control).GroupSuspend),
	"group resume":      bind((*control.Control).GroupResume),
	"group quiesce":     bind((*control.Control).GroupQuiesce),
	"group manage":      bind((*control.Control).GroupManage),
	"group unmanage":    bind((*control.Control).GroupUnmanage),
	"group set":         bind((*control.Control).GroupSet),
	"group add-node":    bind((*control.Control).GroupAddNode),
	"group remove-node": bind((*control.Control).GroupRemoveNode),
	"group evacuate":    bind((*control.Control).GroupEvacuate),

	"resource list":                   bind((*control.Control).ResourceList),
	"resource show":                   bind((*control.Control).ResourceShow),
	"resource status":                 bind((*control.Control).ResourceStatus),
	"resource list-props":             bind((*control.Control).ResourceListProps),
	"resource create":                 bind((*control.Control).ResourceCreate),
	"resource create-sharedaddress":   bind((*control.Control).ResourceCreateSharedaddress),
	"resource create-logicalhostname": bind((*control.Control).ResourceCreateLogicalhostname),
	"resource delete":                 bind((*control.Control).ResourceDelete),
	"resource enable":                 bind((*control.Control).ResourceEnable),
	"resource disable":                bind((*control.Control).ResourceDisable),
	"resource monitor":                bind((*control.Control).ResourceMonitor),
	"resource unmonitor":              bind((*control.Control).ResourceUnmonitor),
	"resource clear":                  bind((*control.Control).ResourceClear),
	"resource set":                    bind((*control.Control).ResourceSet),

	"certificate list":             bind((*control.Control).CertificateList),
	"certificate show":             bind((*control.Control).CertificateShow),
	"certificate renew":            bind((*control.Control).CertificateRenew),
	"certificate revoke":           bind((*control.Control).CertificateRevoke),
	"certificate rotate-authority": bind((*control.Control).CertificateRotateAuthority),

	"secret list":   bind((*control.Control).SecretList),
	"secret show":   bind((*control.Control).SecretShow),
	"secret create": bind((*control.Control).SecretCreate),
	"secret set":    bind((*control.Control).SecretSet),
	"secret delete": bind((*control.Control).SecretDelete),
	"secret verify": bind((*control.Control).SecretVerify),
	"secret export": bind((*control.Control).SecretExport),

	"log commands":      bind((*control.Control).LogCommands),
	"log events":        bind((*control.Control).LogEvents),
	"log verify":        bind((*control.Control).LogVerify),
	"log export":        bind((*control.Control).LogExport),
	"log accept":        bind((*control.Control).LogAccept),
	"log set-forward":   bind((*control.Control).LogSetForward),
	"log clear-forward": bind((*control.Control).LogClearForward),
	"log show-forward":  bind((*control.Control).LogShowForward),

	"peer log-news":   bind((*control.Control).PeerLogNews),
	"peer log-offer":  bind((*control.Control).PeerLogOffer),
	"peer log-leaves": bind((*control.Control).PeerLogLeaves),
	"peer log-heads":  bind((*control.Control).PeerLogHeads),
	"peer log-verify": bind((*control.Control).PeerLogVerify),

	"user list":               bind((*control.Control).UserList),
	"user show":               bind((*control.Control).UserShow),
	"user can":                bind((*control.Control).UserCan),
	"user whoami":             bind((*control.Control).UserWhoami),
	"user grant":              bind((*control.Control).UserGrant),
	"user revoke":             bind((*control.Control).UserRevoke),
	"user delete":             bind((*control.Control).UserDelete),
	"user certificate":        bind((*control.Control).UserCertificate),
	"user revoke-certificate": bind((*control.Control).UserRevokeCertificate),

	"role list":     bind((*control.Control).RoleList),
	"role show":     bind((*control.Control).RoleShow),
	"role create":   bind((*control.Control).RoleCreate),
	"role delete":   bind((*control.Control).RoleDelete),
	"role set":      bind((*control.Control).RoleSet),
	"role grant":    bind((*control.Control).RoleGrant),
	"role revoke":   bind((*control.Control).RoleRevoke),
	"role password": bind((*control.Control).RolePassword),
	"role assume":   bind((*control.Control).RoleAssume),
	"role drop":     bind((*control.Control).RoleDrop),

	"session open":  bind((*control.Control).SessionOpen),
	"session list":  bind((*control.Control).SessionList),
	"session show":  bind((*control.Control).SessionShow),
	"session close": bind((*control.Control).SessionClose),

	"profile list":   bind((*control.Control).ProfileList),
	"profile show":   bind((*control.Control).ProfileShow),
	"profile create": bind((*control.Control).ProfileCreate),
	"profile set":    bind((*control.Control).ProfileSet),
	"profile delete": bind((*control.Control).ProfileDelete),

	"peer time":    bind((*control.Control).PeerTime),
	"peer renew":   bind((*control.Control).PeerRenew),
	"peer sign":    bind((*control.Control).PeerSign),
	"peer key":     bind((*control.Control).PeerKey),
	"peer secrets": bind((*control.Control).PeerSecrets),

	"scha_resource_get call": bind((*control.Control).SchaResourceGetCall),

	"scha_resourcegroup_get call": bind((*control.Control).SchaResourcegroupGetCall),

	"scha_resourcetype_get call": bind((*control.Control).SchaResourcetypeGetCall),

	"scha_cluster_get call": bind((*control.Control).SchaClusterGetCall),

	"scha_control call": bind((*control.Control).SchaControlCall),

	"scha_resource_setstatus call": bind((*control.Control).SchaResourceSetstatusCall),

	"attribute get":    bind((*control.Control).AttributeGet),
	"attribute list":   bind((*control.Control).AttributeList),
	"attribute set":    bind((*control.Control).AttributeSet),
	"attribute delete": bind((*control.Control).AttributeDelete),

	"peer facts":         bind((*control.Control).PeerFacts),
	"peer describe":      bind((*control.Control).PeerDescribe),
	"peer validate":      bind((*control.Control).PeerValidate),
	"peer monitor-check": bind((*control.Control).PeerMonitorCheck),
	"peer ask":           bind((*control.Control).PeerAsk),
	"peer leave":         bind((*control.Control).PeerLeave),
}

// routes makes the mux of everything the server answers to.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	r := registrar{server: s, api: newAPI(mux)}
	for _, op := range control.Operations() {
		methods[op.Noun+" "+op.Verb](r, op)
	}
	mux.HandleFunc("GET /v1/watch", s.serveWatch)
	r.describeWatch()
	mux.HandleFunc("GET "+entrancePath, s.serveEntrance)
	mux.HandleFunc("POST "+entrancePath, s.serveEntrance)
	mux.HandleFunc("GET /healthz", s.health)
	if s.cfg.Metrics != nil {
		metrics := s.cfg.Metrics.Handler()
		mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
			if req := about(r.Context()); !knows(req.who) {
				req.err = fault.Errorf(fault.Denied, "%s may not read the metrics; root on the node and the nodes of the cluster may", req.who)
				failed(req.err, req.id).write(w)
				return
			}
			metrics.ServeHTTP(w, r)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		req := about(r.Context())
		req.err = fault.Errorf(fault.NotFound, "%s %s: there is no such operation; /openapi.json lists them", r.Method, r.URL.Path)
		failed(req.err, req.id).write(w)
	})
	return mux
}

// knows reports whether the caller may see what a node knows.
func knows(who control.Caller) bool {
	return who.Kind == control.CallerLocal && who.UID == 0 || who.Kind == control.CallerNode
}

// health says in one word whether the daemon does its work. It tells a stranger nothing else.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Healthy != nil {
		if err := s.cfg.Healthy(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			if knows(about(r.Context()).who) {
				_, _ = w.Write([]byte(err.Error() + "\n"))
			}
			return
		}
	}
	_, _ = w.Write([]byte("ok\n"))
}
