package main

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/pager"
)

// selectors of labels and fields, good and bad.
func selectors(w *world) {
	for _, name := range []string{"a", "b", "c"} {
		body := &corev1.ConfigMap{ObjectMeta: named(name)}
		if name == "c" {
			body.Labels["tier"] = "web"
		}
		_, err := w.client.CoreV1().ConfigMaps(w.namespace).Create(w, body, metav1.CreateOptions{})
		must(err)
		_, err = w.client.CoreV1().Pods(w.namespace).Create(w, pod(name), metav1.CreateOptions{})
		must(err)
	}
	for _, each := range []string{"n=a", "n==a", "n!=a,n", "n in (a,b)", "n notin (a)", "!tier,n", "tier", "n=a,n=b", "n>1", "n in a", "=", "n=a b"} {
		list, err := w.client.CoreV1().ConfigMaps(w.namespace).List(w, metav1.ListOptions{LabelSelector: each})
		say("labels "+each, names(list), err)
	}
	for _, each := range []string{"metadata.name=a", "metadata.name!=a,metadata.namespace=" + w.namespace, "data.k=v", "metadata.name", "metadata.name=a,metadata.name=b"} {
		list, err := w.client.CoreV1().ConfigMaps(w.namespace).List(w, metav1.ListOptions{FieldSelector: each, LabelSelector: "n"})
		say("fields "+strings.ReplaceAll(each, w.namespace, "<ns>"), names(list), err)
	}
	for _, each := range []string{"status.phase=Pending", "spec.nodeName=", "spec.nodeName!=", "spec.restartPolicy=Always", "spec.serviceAccountName=default", "spec.schedulerName=x", "status.podIP=1", "spec.hostNetwork=true", "spec.none=1"} {
		list, err := w.client.CoreV1().Pods(w.namespace).List(w, metav1.ListOptions{FieldSelector: each})
		found := []string{}
		if err == nil {
			for _, each := range list.Items {
				found = append(found, each.Name)
			}
		}
		say("fields "+each, found, err)
	}
	secrets, err := w.client.CoreV1().Secrets(w.namespace).List(w, metav1.ListOptions{FieldSelector: "type=Opaque"})
	say("secrets by type", len(secrets.Items), err)
	events, err := w.client.CoreV1().Events(w.namespace).List(w, metav1.ListOptions{FieldSelector: "involvedObject.kind=Nothing,type=Normal,reason=R,source=s,reportingComponent=c"})
	say("events", len(events.Items), err)
	spaces, err := w.client.CoreV1().Namespaces().List(w, metav1.ListOptions{FieldSelector: "status.phase=Active,metadata.name=" + w.namespace})
	say("namespaces", len(spaces.Items), err)
}

func names(list *corev1.ConfigMapList) []string {
	found := []string{}
	if list != nil {
		for _, each := range list.Items {
			if each.Name != "kube-root-ca.crt" { // for tokens that are mounted
				found = append(found, each.Name)
			}
		}
	}
	return found
}

// pages: lists in pieces, which stay as they were, and a token that has had its time.
func pages(w *world) {
	configMaps := w.client.CoreV1().ConfigMaps(w.namespace)
	for i := range 25 {
		_, err := configMaps.Create(w, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("a-%02d", i), Labels: map[string]string{"n": "a"}}}, metav1.CreateOptions{})
		must(err)
	}
	first, err := configMaps.List(w, metav1.ListOptions{Limit: 10})
	must(err)
	fmt.Printf("first: %d, others remain: %v\n", len(first.Items), first.RemainingItemCount != nil && *first.RemainingItemCount > 0)
	must(configMaps.Delete(w, "a-12", metav1.DeleteOptions{}))
	second, err := configMaps.List(w, metav1.ListOptions{Limit: 10, Continue: first.Continue})
	must(err)
	fmt.Printf("second: %s..., of the same version: %v\n", second.Items[2].Name, first.ResourceVersion == second.ResourceVersion)
	_, err = configMaps.List(w, metav1.ListOptions{Limit: 10, Continue: first.Continue, ResourceVersion: "1"})
	say("with a version", nil, err)
	_, err = configMaps.List(w, metav1.ListOptions{Continue: "nonsense"})
	fmt.Printf("nonsense is refused: %v\n", errors.IsBadRequest(err))
	chosen, err := configMaps.List(w, metav1.ListOptions{Limit: 10, LabelSelector: "n=a"})
	must(err)
	fmt.Printf("chosen: %d, others remain: %v\n", len(chosen.Items), chosen.RemainingItemCount)
	sizes := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return configMaps.List(ctx, options)
	})
	sizes.PageSize = 7
	count := 0
	must(sizes.EachListItem(w, metav1.ListOptions{LabelSelector: "n=a"}, func(runtime.Object) error { count++; return nil }))
	fmt.Printf("by the pager: %d\n", count)
	for _, match := range []metav1.ResourceVersionMatch{"", metav1.ResourceVersionMatchExact, metav1.ResourceVersionMatchNotOlderThan, "Nearly"} {
		for _, version := range []string{"", "0", first.ResourceVersion, "x"} {
			list, err := configMaps.List(w, metav1.ListOptions{LabelSelector: "n=a", ResourceVersion: version, ResourceVersionMatch: match})
			label := version
			if version == first.ResourceVersion {
				label = "known"
			}
			if err != nil {
				say(fmt.Sprintf("version %s, match %s", label, match), nil, err)
			} else {
				fmt.Printf("version %s, match %s: %d\n", label, match, len(list.Items))
			}
		}
	}
}
