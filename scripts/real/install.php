<?php
/**
 * Installs, fills and questions a real WordPress for `real_backup.py`; no mail, no HTTP, no cron.
 *
 * Usage: php install.php DOCROOT install|fill|tell < REQUEST.json > ANSWER.json
 */

[ , $docroot, $step ] = $argv;
$request = json_decode( stream_get_contents( STDIN ), true, 512, JSON_THROW_ON_ERROR );
$site    = parse_url( $request['url'] );

// WordPress guesses its address from these.
$_SERVER['HTTP_HOST']       = $site['host'];
$_SERVER['HTTPS']           = 'on';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REQUEST_METHOD']  = 'GET';
$_SERVER['REQUEST_URI']     = "{$site['path']}/wp-admin/install.php";

define( 'WP_HTTP_BLOCK_EXTERNAL', true );
define( 'DISABLE_WP_CRON', true );
define( 'AUTOMATIC_UPDATER_DISABLED', true );
if ( 'install' === $step ) {
	define( 'WP_INSTALLING', true );
}

/** Takes the place of WordPress's own, which would send mail. */
function wp_mail() {
	return true;
}

ob_start(); // WordPress and its plugins may print; the answer stands alone.
require "$docroot/wp-load.php";
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';
add_filter( 'pre_http_request', fn() => new WP_Error( 'no_network', 'This site makes no requests.' ) );
$steps  = array( 'install' => 'install_site', 'fill' => 'fill_site', 'tell' => 'tell_site' );
$answer = $steps[ $step ]( $request );
ob_end_clean();
echo json_encode( $answer, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES );

/** Turns a WP_Error, a null (activate_plugin's success) or an id into an id, or stops. */
function unless_error( $outcome ) {
	if ( is_wp_error( $outcome ) ) {
		throw new RuntimeException( $outcome->get_error_message() );
	}
	return $outcome;
}

function install_site( array $request ): array {
	return wp_install( $request['title'], $request['login'], $request['email'], true, '', $request['password'] );
}

function fill_site( array $request ): array {
	wp_set_current_user( 1 ); // The admin may write any HTML.
	update_option( 'blogdescription', $request['tagline'] );
	array_map( fn( $plugin ) => unless_error( activate_plugin( $plugin ) ), $request['activate'] );
	update_site_option( 'auto_update_plugins', $request['auto_update_plugins'] );
	update_site_option( 'auto_update_themes', $request['auto_update_themes'] );
	return array_map( fn( $post ) => unless_error( wp_insert_post( wp_slash( $post ), true ) ), $request['posts'] );
}

function tell_site(): array {
	$admin = get_userdata( 1 );
	return array(
		'wp_version'      => wp_version_of_file(),
		'blogname'        => get_option( 'blogname' ),
		'blogdescription' => get_option( 'blogdescription' ),
		'siteurl'         => get_option( 'siteurl' ),
		'locale'          => get_locale(),
		'admin_login'     => $admin->user_login,
		'admin_email'     => $admin->user_email,
		'posts'           => (int) wp_count_posts()->publish,
		'plugins'         => told_plugins(),
		'themes'          => told_themes(),
	);
}

function wp_version_of_file(): string {
	include ABSPATH . WPINC . '/version.php';
	return $wp_version;
}

function told_plugins(): array {
	$updated = get_site_option( 'auto_update_plugins', array() );
	$told    = array();
	foreach ( get_plugins() as $file => $header ) {
		$told[] = array(
			'file'        => $file,
			'name'        => $header['Name'],
			'version'     => $header['Version'],
			'active'      => is_plugin_active( $file ),
			'auto_update' => in_array( $file, $updated, true ),
		);
	}
	return $told;
}

function told_themes(): array {
	$updated = get_site_option( 'auto_update_themes', array() );
	$told    = array();
	foreach ( wp_get_themes() as $stylesheet => $theme ) {
		$told[] = array(
			'stylesheet'  => $stylesheet,
			'name'        => $theme->get( 'Name' ),
			'version'     => $theme->get( 'Version' ),
			'active'      => get_stylesheet() === $stylesheet,
			'auto_update' => in_array( $stylesheet, $updated, true ),
		);
	}
	return $told;
}
