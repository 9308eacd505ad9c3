package main

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/openapi3"
	"k8s.io/client-go/restmapper"
)

// served is what both servers have, by what is asked of a mapper.
var served = []string{
	"namespaces", "no", "po", "svc", "cm", "secret", "sa", "deploy", "rs", "pdb", "leases.coordination.k8s.io", "roles", "rolebindings",
	"clusterroles", "clusterrolebindings", "crd", "th", "things.foreign.example.dev", "events.events.k8s.io", "nones",
}

// discover: what clients learn of the server before they ask for anything, aggregated and one by one.
func discover(w *world) {
	defined(w)
	version, err := w.client.Discovery().ServerVersion()
	must(err)
	fmt.Printf("version: %s.%s\n", version.Major, version.Minor)
	for _, legacy := range []bool{false, true} {
		client := discovery.NewDiscoveryClientForConfigOrDie(w.config)
		client.UseLegacyDiscovery = legacy
		_, lists, err := client.ServerGroupsAndResources()
		must(err)
		found := []string{}
		for _, list := range lists {
			for _, each := range list.APIResources {
				if known(list.GroupVersion, each) {
					found = append(found, fmt.Sprintf("%s %s, one by one: %v: %s", list.GroupVersion, each.Name, legacy, plain(each)))
				}
			}
		}
		slices.Sort(found)
		for _, line := range found {
			fmt.Println(line)
		}
		preferred, err := client.ServerPreferredResources()
		must(err)
		fmt.Printf("some are preferred: %v\n", len(preferred) > 5)
	}
	cached := memory.NewMemCacheClient(w.client.Discovery())
	mapper := restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(cached), cached, nil)
	for _, each := range served {
		found, err := mapper.ResourceFor(schema.ParseGroupResource(each).WithVersion(""))
		if err != nil {
			say(each, nil, err)
			continue
		}
		kind, err := mapper.KindFor(found)
		must(err)
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		must(err)
		fmt.Printf("%s: %v, %v, %s\n", each, found, kind, mapping.Scope.Name())
	}
	all, known := restmapper.NewDiscoveryCategoryExpander(cached).Expand("all")
	fmt.Printf("category: %v, %v\n", known, slices.Contains(all, things.GroupResource()))
}

func known(version string, each metav1.APIResource) bool {
	name, _, _ := strings.Cut(each.Name, "/")
	switch version {
	case "v1":
		subresources := []string{"pods/proxy", "services/proxy", "nodes/proxy", "pods/attach", "pods/ephemeralcontainers", "pods/resize", "services/status"}
		return slices.Contains([]string{"namespaces", "nodes", "pods", "services", "configmaps", "secrets", "events"}, name) && !slices.Contains(subresources, each.Name)
	case "apps/v1":
		return slices.Contains([]string{"deployments", "replicasets"}, name)
	}
	return slices.Contains([]string{"policy/v1", "rbac.authorization.k8s.io/v1", "apiextensions.k8s.io/v1", "foreign.example.dev/v1"}, version)
}

// openAPI: the documents that kubectl and typed converters read.
func openAPI(w *world) {
	defined(w)
	root := openapi3.NewRoot(w.client.Discovery().OpenAPIV3())
	versions, err := root.GroupVersions()
	must(err)
	for _, each := range []schema.GroupVersion{corev1.SchemeGroupVersion, {Group: "apps", Version: "v1"}, things.GroupVersion()} {
		fmt.Printf("%s: %v\n", each, slices.Contains(versions, each))
		document, err := root.GVSpec(each)
		must(err)
		for _, name := range []string{"io.k8s.api.core.v1.ConfigMap", "io.k8s.api.apps.v1.Deployment", "dev.example.foreign.v1.Thing"} {
			if found := document.Components.Schemas[name]; found != nil {
				found.Description = ""
				say(name, found, nil)
			}
		}
		for _, path := range []string{"/api/v1/namespaces/{namespace}/configmaps/{name}", "/apis/apps/v1/namespaces/{namespace}/deployments", "/apis/foreign.example.dev/v1/namespaces/{namespace}/things/{name}"} {
			if found := document.Paths.Paths[path]; found != nil {
				fmt.Printf("%s: get %v, put %v, post %v, patch %v, delete %v\n", path, found.Get != nil, found.Put != nil, found.Post != nil, found.Patch != nil, found.Delete != nil)
				if found.Patch != nil {
					kinds := []string{}
					for kind := range found.Patch.RequestBody.Content {
						kinds = append(kinds, kind)
					}
					slices.Sort(kinds)
					fmt.Printf("%s: patches %v\n", path, kinds)
				}
			}
		}
	}
	swagger, err := w.client.Discovery().OpenAPISchema() // protobuf
	if err != nil {
		say("old document", nil, err)
		return
	}
	for _, name := range []string{"dev.example.foreign.v1.Thing", "io.k8s.api.core.v1.ConfigMap"} {
		for _, each := range swagger.Definitions.AdditionalProperties {
			if each.Name == name {
				fmt.Printf("old document: %s has %d properties and %d vendor extensions\n", name, len(each.Value.Properties.AdditionalProperties), len(each.Value.VendorExtension))
			}
		}
	}
}

// tables: what kubectl prints.
func tables(w *world) {
	defined(w)
	_, err := w.client.CoreV1().ConfigMaps(w.namespace).Create(w, &corev1.ConfigMap{ObjectMeta: named("a"), Data: map[string]string{"k": "v"}}, metav1.CreateOptions{})
	must(err)
	_, err = w.client.CoreV1().Pods(w.namespace).Create(w, pod("a"), metav1.CreateOptions{})
	must(err)
	_, err = w.dynamic.Resource(things).Namespace(w.namespace).Create(w, thing("a", map[string]any{}), metav1.CreateOptions{})
	must(err)
	for _, path := range []string{"/api/v1/namespaces/%s/configmaps/a", "/api/v1/namespaces/%s/pods", "/apis/foreign.example.dev/v1/namespaces/%s/things"} {
		for _, include := range []string{"None", "Object", ""} {
			table := &metav1.Table{}
			request := w.client.CoreV1().RESTClient().Get().AbsPath(fmt.Sprintf(path, w.namespace)).SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Param("includeObject", include)
			err := request.Do(w).Into(table)
			for i := range table.Rows {
				if cells := table.Rows[i].Cells; len(cells) > 0 { // the age, which may be anywhere
					for j, column := range table.ColumnDefinitions {
						if column.Name == "Age" {
							cells[j] = "<>"
						}
					}
				}
			}
			if !strings.Contains(path, "configmaps") && include == "Object" {
				fmt.Printf("%s: whole objects: %v\n", path, strings.Contains(string(table.Rows[0].Object.Raw), "spec"))
				continue
			}
			say(path+" "+include, table, err)
		}
	}
}
