package outside

import (
	"strings"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

func TestAgents(t *testing.T) {
	for name, want := range map[string]string{
		"ocf:heartbeat:VirtualDomain": machine, "ocf:heartbeat:docker": container, "ocf:heartbeat:nfsserver": kernel, "ocf:heartbeat:LVM-activate": device, "ocf:other:podman": container,
		"ocf:heartbeat:redis": "", "ocf:heartbeat:Filesystem": "", "ocf:heartbeat:IPaddr2": "", "redoubt.gds": "", "docker": "",
	} {
		if got := Agent(cluster.TypeName(name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestCommands(t *testing.T) {
	for command, want := range map[string]string{
		"systemctl start nginx": manager, "/usr/bin/systemctl enable --now x": manager, "timeout 60 systemctl restart x": manager, "sh -c 'cd /; systemctl start x'": manager, "/etc/init.d/apache2 start": manager,
		"docker run -d --name web nginx": container, "exec docker start -a web": container, "docker compose -f /srv/x.yaml up": container, "podman run x": container, "virsh -c qemu:///system start vm": machine,
		"A=b systemd-run --unit=x /opt/x": manager, "test -e /x && vgchange -ay vg": device,
		"exec /usr/sbin/nginx": "", "systemctl is-active nginx && exec /opt/x": "", "docker ps; exec /opt/docker-proxy": "", "/opt/systemctl-like start": "", "echo systemctl start x": "", "": "",
	} {
		if got := Command(command); got != want {
			t.Errorf("%q: %q, want %q", command, got, want)
		}
	}
}

func TestResources(t *testing.T) {
	with := func(name, value string) model.Resource {
		return model.Resource{Type: "redoubt.gds", Properties: []model.Property{{Name: "Empty"}, {Name: name, Values: []string{value}}}}
	}
	for _, c := range []struct {
		r    model.Resource
		want string
	}{
		{with("Start_command", "docker run x"), container}, {with("Probe_command", "docker run x"), ""}, {with("Child_policy", "NONE"), "Child_policy"}, {with("Child_policy", "ANY"), ""},
		{model.Resource{Type: "ocf:heartbeat:Xen"}, machine}, {model.Resource{Type: "redoubt.storage"}, ""},
	} {
		if got := Resource(c.r); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
}
