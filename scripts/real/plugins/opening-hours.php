<?php
/**
 * Plugin Name: Opening Hours
 * Description: Shows the café's opening hours where [opening_hours] stands.
 * Version: 2.0-beta.3
 * License: MIT
 */

add_shortcode( 'opening_hours', fn() => esc_html( get_option( 'opening_hours', 'Tue – Sun, 9 to 18' ) ) );

register_activation_hook( __FILE__, fn() => add_option( 'opening_hours', "Tue – Sun:\t9 to 18\r\nMon: \"closed\"" ) );
